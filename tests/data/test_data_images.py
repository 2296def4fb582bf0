"""digits, CIFAR and ImageNet from files in their true formats."""

import dataclasses
import gzip

import numpy as np
import pytest
import torch
from data_files import build, md5, write_cifar_batch, write_mnist_half
from PIL import Image

from snnbench.data import sources
from snnbench.data.augment import ImageAugment
from snnbench.data.cifar import CIFAR10, CIFAR100
from snnbench.data.digits import Digits
from snnbench.data.imagenet import ImageNet
from snnbench.data.mnist import MNIST, FashionMNIST
from snnbench.errors import ConfigError

MEAN, STD = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]


def whole(loader):
    batches = list(loader)
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


def test_digits_folds_cover_the_set_once():
    tests = []
    for fold in range(5):
        data = build(Digits, "", [1, 8, 8], 10, fold=fold, batch_size=100)
        x, y = whole(data.test_dataloader())
        assert x.shape[1:] == (1, 8, 8)
        assert x.min() == 0
        assert x.max() == 1
        assert (y.bincount() - 36).abs().max() <= 2
        assert not set(data.loaded.train_indices) & set(data.loaded.test_indices)
        tests.append(data.loaded.test_indices)
    assert sorted(np.concatenate(tests)) == list(range(1797))
    assert data.train_size + data.test_size == 1797
    assert data.describe()["split"] == "fold 4 of 5"


def test_digits_hashes_and_validation_split():
    plain = build(Digits, "", [1, 8, 8], 10)
    held = build(Digits, "", [1, 8, 8], 10, val_fraction=0.1)
    other = build(Digits, "", [1, 8, 8], 10, val_fraction=0.1, seed=1)
    assert len(plain.val_dataloader()) == 1
    assert len(held.val_dataloader()) == 2
    assert plain.data_hash == held.data_hash
    assert len({plain.split_hash, held.split_hash, other.split_hash}) == 3
    assert held.split_hash == build(Digits, "", [1, 8, 8], 10, val_fraction=0.1).split_hash
    assert held.train_size + held.val_size == plain.train_size
    assert abs(held.val_size - 0.1 * plain.train_size) < 8
    assert not set(held._val_indices) & set(held.loaded.test_indices)


def test_wrong_shape_or_classes_are_refused():
    with pytest.raises(ConfigError, match=r"data\.shape=\[1, 28, 28\] must be \[1, 8, 8\]"):
        build(Digits, "", [1, 28, 28], 10)
    with pytest.raises(ConfigError, match="set num_classes=10"):
        build(Digits, "", [1, 8, 8], 5).setup()
    with pytest.raises(ConfigError, match=r"data\.shape"):
        build(Digits, "", [8, 8], 10)


def test_mean_and_std_must_fit_the_channels():
    with pytest.raises(ConfigError, match=r"data\.mean=\[0\.5\] must have one number for each of 3 channels"):
        build(CIFAR10, "", [3, 32, 32], 10, mean=[0.5], std=STD)
    with pytest.raises(ConfigError, match=r"data\.std"):
        build(CIFAR10, "", [3, 32, 32], 10, mean=MEAN, std=[0.2, 0.2, 0.0])


def cifar(tmp_path, monkeypatch, cls, source, key, classes):
    folder, files = tmp_path / source.folder, []
    written = {}
    for seed, (name, _) in enumerate(source.files):
        written[name] = write_cifar_batch(folder / name, 20, seed, key, classes)
        files.append((name, md5(folder / name)))
    monkeypatch.setattr(cls, "source", dataclasses.replace(source, files=tuple(files)))
    return written


def test_cifar10_reads_the_published_layout(tmp_path, monkeypatch):
    written = cifar(tmp_path, monkeypatch, CIFAR10, sources.CIFAR10, "labels", 10)
    data = build(CIFAR10, tmp_path, [3, 32, 32], 10, mean=MEAN, std=STD, drop_last=True)
    assert (data.train_size, data.test_size) == (100, 20)
    x, y = whole(data.test_dataloader())
    first = torch.from_numpy(written["test_batch"]["data"][3].reshape(3, 32, 32)).float() / 255
    expected = (first - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    assert torch.allclose(x[3], expected, atol=1e-6)
    assert y.tolist() == written["test_batch"]["labels"]
    x, y = next(iter(data.train_dataloader()))
    assert x.shape == (8, 3, 32, 32)
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64
    assert len(data.train_dataloader()) == 12  # drop_last
    assert data.describe()["data_hash"] == data.data_hash


def test_cifar100_uses_fine_labels(tmp_path, monkeypatch):
    cifar(tmp_path, monkeypatch, CIFAR100, sources.CIFAR100, "fine_labels", 20)
    data = build(CIFAR100, tmp_path, [3, 32, 32], 100, mean=MEAN, std=STD)
    assert (data.train_size, data.test_size) == (20, 20)


def test_cifar_missing_partial_and_damaged(tmp_path, monkeypatch):
    def load():
        build(CIFAR10, tmp_path, [3, 32, 32], 10, mean=MEAN, std=STD).setup()

    with pytest.raises(ConfigError, match=r"does not exist; run `snnbench data prepare cifar10 root="):
        load()
    cifar(tmp_path, monkeypatch, CIFAR10, sources.CIFAR10, "labels", 10)
    damaged = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    original = damaged.read_bytes()
    damaged.write_bytes(original[:-1])
    with pytest.raises(ConfigError, match=r"data_batch_2' has MD5 .*, expected .* damaged or another copy"):
        load()
    damaged.unlink()
    with pytest.raises(ConfigError, match="has no file 'data_batch_2'"):
        load()


def imagenet(tmp_path, classes=3):
    rng = np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 2)):
        for k in range(classes):
            folder = tmp_path / "imagenet" / part / f"n0000000{k}"
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (40 + 5 * i, 50, 3), dtype=np.uint8)
                image = Image.fromarray(pixels)
                (image.convert("L") if i == 1 else image).save(folder / f"p_{i}.JPEG")


@pytest.mark.parametrize(
    "augment", [None, ImageAugment(resized_crop_scale=[0.08, 1.0], flip=0.5), ImageAugment(flip=0.5)]
)
def test_imagenet_folders(tmp_path, augment):
    imagenet(tmp_path)
    data = build(ImageNet, tmp_path, [3, 32, 32], 3, mean=MEAN, std=STD, resize=36, augment=augment, batch_size=4)
    assert (data.train_size, data.test_size) == (12, 6)
    x, y = whole(data.test_dataloader())
    assert x.shape == (6, 3, 32, 32)
    assert y.tolist() == [0, 0, 1, 1, 2, 2]
    x, _ = whole(data.train_dataloader())
    assert x.shape == (12, 3, 32, 32)
    assert x.dtype == torch.float32


def test_imagenet_bad_folders(tmp_path):
    def load(**kw):
        build(ImageNet, tmp_path, [3, 32, 32], kw.pop("classes", 3), mean=MEAN, std=STD, resize=36).setup()

    with pytest.raises(ConfigError, match="snnbench data prepare imagenet"):
        load()
    imagenet(tmp_path)
    with pytest.raises(ConfigError, match=r"data\.num_classes=1000 but .* has 3 class folders"):
        load(classes=1000)
    (tmp_path / "imagenet" / "val" / "n9").mkdir()
    with pytest.raises(ConfigError, match=r"train' has no class folder n9, which val has"):
        load()
    (tmp_path / "imagenet" / "train" / "n9").mkdir()
    with pytest.raises(ConfigError, match="holds no JPEG"):
        load(classes=4)
    with pytest.raises(ConfigError, match=r"data\.resize=20"):
        build(ImageNet, tmp_path, [3, 32, 32], 3, mean=MEAN, std=STD, resize=20)


@pytest.fixture(params=[MNIST, FashionMNIST], ids=lambda cls: cls.__name__)
def mnist(request):
    return request.param


@pytest.fixture
def mnist_root(mnist, tmp_path, monkeypatch):
    """12 training and 5 test pictures; MD5s are those of the files written here."""
    folder, rng = tmp_path / mnist.source.folder, np.random.default_rng(0)
    for half, count in (("train", 12), ("t10k", 5)):
        write_mnist_half(folder, half, count, rng)
    files = tuple((path.name, md5(path)) for path in sorted(folder.iterdir(), reverse=True))
    monkeypatch.setattr(mnist, "source", dataclasses.replace(mnist.source, files=files))
    return tmp_path


def test_mnist_reads_the_idx_files(mnist, mnist_root):
    data = build(mnist, mnist_root, [1, 28, 28], 10, mean=[0.0], std=[1.0])
    assert (data.train_size, data.test_size) == (12, 5)
    x, y = whole(data.test_dataloader())
    assert y.tolist() == [0, 1, 2, 3, 4]
    rng = np.random.default_rng(0)
    rng.integers(0, 256, (12, 28, 28), dtype=np.uint8)
    expected = rng.integers(0, 256, (5, 1, 28, 28), dtype=np.uint8) / 255
    np.testing.assert_allclose(x.numpy(), expected, atol=1e-6)


def test_mnist_repacked_files_are_read_too(mnist, mnist_root, monkeypatch):
    """Debian compresses the same content anew, which changes the file's MD5."""
    path = mnist_root / mnist.source.folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1, mtime=7))
    with pytest.raises(ConfigError, match=r"has MD5 .*, expected"):
        build(mnist, mnist_root, [1, 28, 28], 10, mean=[0.0], std=[1.0]).setup()
    known = ((path.name, md5(path)),)
    monkeypatch.setattr(mnist, "source", dataclasses.replace(mnist.source, repacked=known))
    assert whole(build(mnist, mnist_root, [1, 28, 28], 10, mean=[0.0], std=[1.0]).test_dataloader())[1].tolist() == [
        0, 1, 2, 3, 4,
    ]  # fmt: skip


def test_mnist_faults(mnist, mnist_root):
    path = mnist_root / mnist.source.folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ConfigError, match=r"has MD5 .*, expected"):
        build(mnist, mnist_root, [1, 28, 28], 10, mean=[0.0], std=[1.0]).setup()
    path.unlink()
    with pytest.raises(ConfigError, match=f"snnbench data prepare {mnist.source.name}"):
        build(mnist, mnist_root, [1, 28, 28], 10, mean=[0.0], std=[1.0]).setup()
