"""Resident samples: the host loader's order and bits, the same run after a resume, on any rank, in any chunk."""

import lightning
import numpy as np
import pytest
import torch
from data_files import build
from torch import nn

from snnbench.config import identity
from snnbench.config.check import check
from snnbench.config.compose import compose
from snnbench.data import base, residence, resident
from snnbench.data.augment import ImageAugment
from snnbench.data.cifar import CIFAR10
from snnbench.data.dataset import ArraySource, FileSource
from snnbench.data.digits import Digits
from snnbench.data.digits_dvs import DigitsDVS
from snnbench.data.event_augment import EventAugment
from snnbench.errors import ConfigError

MEAN, STD = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]
SURVEY = {"flip": 0.5, "auto": "trivial_wide", "erasing": 0.3}


class Pictures(CIFAR10):
    """CIFAR's class with 300 random pictures in place of its files."""

    def load(self):
        rng = np.random.default_rng(0)
        images, labels = rng.integers(0, 256, (300, 3, 32, 32), dtype=np.uint8), np.arange(300) % 10
        source = ArraySource(images, labels)
        return base.Loaded(source, np.arange(250), source, np.arange(250, 300), "made up")


def pictures(resident="device", **arguments):
    arguments = {"batch_size": 32, "mean": MEAN, "std": STD, "augment": ImageAugment(**SURVEY)} | arguments
    return build(Pictures, "", [3, 32, 32], 10, resident=resident, **arguments)


def epoch(loader, number=0):
    if hasattr(loader.sampler, "set_epoch"):
        loader.sampler.set_epoch(number)
    return list(loader)


def equal(first, second):
    return len(first) == len(second) and all(
        torch.equal(x, other_x) and torch.equal(y, other_y) for (x, y), (other_x, other_y) in zip(first, second)
    )


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("small_chunks", [True, False])
def test_images_without_augmentation_are_the_host_loader_s_batches(drop_last, small_chunks, monkeypatch):
    if small_chunks:
        monkeypatch.setattr(resident, "CHUNK", 3 * 32 * 3072)
    for augment in (None, ImageAugment()):
        held, host = (
            pictures(where, augment=augment, drop_last=drop_last, val_fraction=0.2) for where in ("device", "host")
        )
        assert isinstance(held.train_dataloader(), resident.ResidentLoader)
        ours, theirs = held.train_dataloader(), host.train_dataloader()
        assert len(ours) == len(theirs) == len(list(ours))
        assert all(equal(epoch(ours, k), epoch(theirs, k)) for k in (0, 1))
        for a, b in zip(held.val_dataloader(), host.val_dataloader(), strict=True):
            assert len(a) == len(b)
            assert equal(list(a), list(b))


def test_digits_and_event_frames_are_the_host_loader_s_batches(tmp_path):
    for cls, shape, augment in ((Digits, [1, 8, 8], None), (DigitsDVS, [2, 16, 16], EventAugment())):
        held, host = (
            build(cls, tmp_path, shape, 10, resident=where, augment=augment, batch_size=100, val_fraction=0.1)
            for where in ("device", "host")
        )
        assert equal(epoch(held.train_dataloader(), 2), epoch(host.train_dataloader(), 2))
        assert equal(list(held.test_dataloader()), list(host.test_dataloader()))
        assert equal(list(held.val_dataloader()[1]), list(host.val_dataloader()[1]))


def test_augmented_epochs_have_every_sample_once_and_differ():
    loader = pictures(drop_last=False, augment=ImageAugment(flip=0.5)).train_dataloader()
    plain = pictures("host", augment=None, drop_last=False).loaded.train.array[:250]
    stored = {images.tobytes(): k for k, images in enumerate(plain)}
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    orders, flips = [], []
    for number in (0, 1):
        x = torch.cat([x for x, _ in epoch(loader, number)])
        pixels = ((x * std + mean) * 255).round().byte()
        orders.append([stored.get(p.numpy().tobytes(), stored.get(p.flip(-1).numpy().tobytes())) for p in pixels])
        assert sorted(orders[-1]) == list(range(250))
        flips.append({k for k, p in zip(orders[-1], pixels) if p.numpy().tobytes() not in stored})
    assert orders[0] != orders[1]
    assert 80 < len(flips[0] ^ flips[1]) < 170  # a sample's draw is another one in the next epoch


def test_an_epoch_is_the_same_after_a_resume_and_in_any_chunk(monkeypatch):
    loader = pictures().train_dataloader()
    epochs = [epoch(loader, k) for k in range(3)]
    assert not equal(epochs[0], epochs[1])
    assert equal(epoch(pictures().train_dataloader(), 2), epochs[2])
    assert not equal(epoch(pictures(seed=1).train_dataloader(), 2), epochs[2])
    monkeypatch.setattr(resident, "CHUNK", 1)
    assert equal(epoch(pictures().train_dataloader(), 2), epochs[2])


def test_ranks_share_the_batches_of_one_process(monkeypatch):
    alone = pictures(drop_last=False)
    whole, test = epoch(alone.train_dataloader(), 1), list(alone.test_dataloader())
    parts, tests = [], []
    for rank in (0, 1):
        monkeypatch.setattr(base, "process_group", lambda rank=rank: (rank, 2))
        data = pictures(drop_last=False)
        parts.append(epoch(data.train_dataloader(), 1))
        tests.append(list(data.test_dataloader()))
    for both, one in ((zip(*parts, strict=True), whole), (zip(*tests, strict=True), test)):
        for batches, (x, y) in zip(both, one, strict=True):
            for rank, (part_x, part_y) in enumerate(batches):
                assert torch.equal(part_x, x[rank::2])
                assert torch.equal(part_y, y[rank::2])


def test_auto_stays_on_the_host_without_a_gpu():
    data = pictures("auto")
    assert data.placement == "auto"
    assert isinstance(data.train_dataloader(), torch.utils.data.DataLoader)
    data = pictures("auto")
    data.place("cpu")
    assert data.placement == data.describe()["resident"] == "host"
    data = pictures("device")
    data.place("cpu")
    assert data.placement == data.describe()["resident"] == "cpu"


def test_where_auto_puts_samples_on_a_gpu(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8 * 10**9, 80 * 10**9))
    gpu, cpu = torch.device("cuda", 0), torch.device("cpu")
    assert residence.resident_device("auto", gpu, 10**9, None) == gpu
    assert residence.resident_device("auto", cpu, 10**9, None) is None
    assert residence.resident_device("host", gpu, 10**9, None) is None
    assert capsys.readouterr().err == ""
    assert residence.resident_device("auto", gpu, 3 * 10**9, None) is None
    assert "3.0 GB is more than a quarter of the 8.0 GB free" in capsys.readouterr().err
    assert residence.resident_device("device", gpu, 3 * 10**9, None) == gpu
    assert residence.resident_device("auto", gpu, 10**9, "augment.new=1") is None
    assert "augment.new=1 has no batched form" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"data\.resident=device needs 9\.0 GB but 8\.0 GB of cuda:0 are free"):
        residence.resident_device("device", gpu, 9 * 10**9, None)


def test_device_is_refused_where_an_augmentation_has_no_batched_form():
    with pytest.raises(ConfigError, match=r"data\.resident=device .* augment\.resized_crop_scale=\[0\.5, 1\.0\]"):
        pictures(augment=ImageAugment(resized_crop_scale=[0.5, 1.0])).setup()
    pictures("auto", augment=ImageAugment(resized_crop_scale=[0.5, 1.0])).setup()

    class Foreign:
        def for_training(self, shape, normalise):
            return None

    with pytest.raises(ConfigError, match=r"augment\._target_=Foreign"):
        pictures(augment=Foreign()).setup()
    assert "files" in residence.obstacle(None, FileSource("", [], np.array([]), None))


def test_key_is_checked_and_does_not_change_the_run_s_identity():
    one, other = (compose([f"data.resident={where}", "T=2"]) for where in ("host", "device"))
    assert identity.config_hash(one.config) == identity.config_hash(other.config)
    bad = compose(["T=2"])
    with pytest.raises(ConfigError, match=r"data\.resident=gpu must be"):
        check(bad.config | {"data": bad.config["data"] | {"resident": "gpu"}}, bad.choices)


class Spy(lightning.LightningModule):
    """Notes what arrives at the training step."""

    def __init__(self):
        super().__init__()
        self.layer, self.seen, self.automatic_optimization = nn.Linear(1, 1), [], False

    def training_step(self, batch, index):
        self.seen.append((self.current_epoch, batch))

    def validation_step(self, batch, index, dataloader_idx=0):
        pass

    def configure_optimizers(self):
        return None


@pytest.mark.filterwarnings("ignore")  # Lightning's advice, e.g. on srun
def test_lightning_passes_the_views_on_and_sets_the_epoch():
    data, spy = pictures(), Spy()
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(spy, datamodule=data)
    assert data.placement == "cpu"
    for number in (0, 1):
        seen = [batch for at, batch in spy.seen if at == number]
        assert equal([tuple(batch) for batch in seen], epoch(pictures().train_dataloader(), number))
        assert len({batch[0].untyped_storage().data_ptr() for batch in seen}) == 1


@pytest.mark.gpu
@pytest.mark.parametrize(
    "augment",
    [
        ImageAugment(crop_padding=4, interpolation="bilinear", **SURVEY),
        ImageAugment(flip=0.5, auto="autoaugment_cifar10", interpolation="nearest", cutout=16),
        ImageAugment(auto="rand", interpolation="bicubic", auto_fill="mean", erasing=0.5, erasing_fill="grey"),
    ],
)
def test_gpu_gives_the_cpu_s_batches_and_is_never_waited_for(augment):
    held = pictures(augment=augment)
    held.place("cpu")
    expected = epoch(held.train_dataloader(), 1)
    data = pictures("auto", augment=augment)
    data.place("cuda")
    loader = data.train_dataloader()
    assert isinstance(loader, resident.ResidentLoader)
    epoch(loader, 0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = epoch(loader, 1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for (x, y), (other_x, other_y) in zip(found, expected, strict=True):
        assert torch.allclose(x.cpu(), other_x, atol=1e-6)  # pixels are equal; normalising may differ in the last bit
        assert torch.equal(y.cpu(), other_y)
