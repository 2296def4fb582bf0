"""digits, CIFAR and ImageNet from files in their true formats."""

import dataclasses
import gzip
import pickle

import numpy as np
import pytest
import torch
from data_files import build, md5, write_image_set
from small_sets import IMAGE_SETS

from snnbench.data.augment import ImageAugment
from snnbench.data.cifar import CIFAR10
from snnbench.data.digits import Digits
from snnbench.data.imagenet import ImageNet
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


WITH_SUMS = ["cifar10", "cifar100", "mnist", "fashion_mnist"]


@pytest.mark.parametrize(("name", "train_size", "key"), [("cifar10", 100, "labels"), ("cifar100", 20, "fine_labels")])
def test_cifar_is_read_in_the_published_layout(tmp_path, monkeypatch, name, train_size, key):
    cls, values = write_image_set(name, tmp_path, monkeypatch)
    data = build(cls, tmp_path, **values | {"drop_last": True})
    assert (data.train_size, data.test_size) == (train_size, 20)
    x, y = whole(data.test_dataloader())
    written = pickle.loads((tmp_path / cls.source.folder / cls.source.files[-1][0]).read_bytes())
    fourth = torch.from_numpy(written["data"][3].reshape(3, 32, 32)).float() / 255
    mean, std = (torch.tensor(values[key]).view(3, 1, 1) for key in ("mean", "std"))
    assert torch.allclose(x[3], (fourth - mean) / std, atol=1e-6)
    assert y.tolist() == written[key]
    x, y = next(iter(data.train_dataloader()))
    assert (x.shape, x.dtype, y.dtype) == ((8, 3, 32, 32), torch.float32, torch.int64)
    assert len(data.train_dataloader()) == train_size // 8  # drop_last
    assert data.describe()["data_hash"] == data.data_hash


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_mnist_is_read_from_idx_files_also_repacked_ones(tmp_path, monkeypatch, name):
    cls, values = write_image_set(name, tmp_path, monkeypatch)
    values |= {"mean": [0.0], "std": [1.0]}
    data = build(cls, tmp_path, **values)
    assert (data.train_size, data.test_size) == (20, 20)
    x, y = whole(data.test_dataloader())
    assert y.tolist() == [*range(10), *range(10)]
    rng = np.random.default_rng(0)
    rng.integers(0, 256, (20, 28, 28), dtype=np.uint8)  # the training pictures
    np.testing.assert_allclose(x.numpy(), rng.integers(0, 256, (20, 1, 28, 28), dtype=np.uint8) / 255, atol=1e-6)
    # Debian compresses the same content anew, which changes the file's MD5
    path = tmp_path / cls.source.folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1, mtime=7))
    with pytest.raises(ConfigError, match=r"has MD5 .*, expected"):
        build(cls, tmp_path, **values).setup()
    monkeypatch.setattr(cls, "source", dataclasses.replace(cls.source, repacked=((path.name, md5(path)),)))
    assert whole(build(cls, tmp_path, **values).test_dataloader())[1].equal(y)


@pytest.mark.parametrize("name", WITH_SUMS)
def test_missing_partial_and_damaged_files_are_named(tmp_path, monkeypatch, name):
    cls, values = write_image_set(name, tmp_path, monkeypatch)
    folder, file = tmp_path / cls.source.folder, cls.source.files[1][0]
    (folder / file).write_bytes((folder / file).read_bytes()[:-1])
    with pytest.raises(ConfigError, match=rf"{file}' has MD5 .*, expected .* damaged or another copy"):
        build(cls, tmp_path, **values).setup()
    (folder / file).unlink()
    with pytest.raises(ConfigError, match=f"has no file '{file}'"):
        build(cls, tmp_path, **values).setup()
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=rf"does not exist; run `snnbench data prepare {name} root="):
        build(cls, tmp_path, **values).setup()


def imagenet(root, classes=3, resize=36, **more):
    return build(ImageNet, root, [3, 32, 32], classes, mean=MEAN, std=STD, resize=resize, batch_size=4, **more)


@pytest.mark.parametrize(
    "augment", [None, ImageAugment(resized_crop_scale=[0.08, 1.0], flip=0.5), ImageAugment(flip=0.5)]
)
def test_imagenet_folders(tmp_path, augment):
    IMAGE_SETS["imagenet"].write(tmp_path)
    data = imagenet(tmp_path, augment=augment)
    assert (data.train_size, data.test_size) == (12, 6)
    x, y = whole(data.test_dataloader())
    assert x.shape == (6, 3, 32, 32)
    assert y.tolist() == [0, 0, 1, 1, 2, 2]
    x, _ = whole(data.train_dataloader())
    assert (x.shape, x.dtype) == ((12, 3, 32, 32), torch.float32)


def test_imagenet_that_is_not_there_or_does_not_fit_is_named(tmp_path):
    with pytest.raises(ConfigError, match="snnbench data prepare imagenet"):
        imagenet(tmp_path).setup()
    IMAGE_SETS["imagenet"].write(tmp_path)
    with pytest.raises(ConfigError, match=r"data\.num_classes=1000 but .* has 3 class folders"):
        imagenet(tmp_path, 1000).setup()
    with pytest.raises(ConfigError, match=r"data\.resize=20"):
        imagenet(tmp_path, resize=20)
