"""Event data sets from files in the originals' formats: order, splits, caches, faults."""

import importlib.util
from itertools import pairwise

import numpy as np
import pytest
import torch
from data_files import build, random_events, write_aedat2
from small_sets import EVENT_SETS, EVENTS

from snnbench.data import digits_dvs, dvs_gesture
from snnbench.data.cifar10_dvs import CIFAR10DVS, CLASSES
from snnbench.data.digits_dvs import DigitsDVS, simulate_dvs
from snnbench.data.dvs_gesture import DVSGesture
from snnbench.data.event_augment import EventAugment
from snnbench.data.events import EVENT, make_events
from snnbench.data.nmnist import NMNIST
from snnbench.errors import ConfigError


# digits_dvs ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def digit_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("digits_dvs")
    build(DigitsDVS, root, [2, 16, 16], 10).setup()
    return root


def test_simulated_events_are_deterministic_and_of_tonics_type():
    images = np.random.default_rng(0).random((3, 8, 8))
    events, offsets = simulate_dvs(images, 0.2)
    again, _ = simulate_dvs(images, 0.2)
    assert events.dtype == EVENT
    assert np.array_equal(events, again)
    assert offsets[-1] == len(events)
    alone, _ = simulate_dvs(images[1:2], 0.2)
    assert np.array_equal(alone, events[offsets[1] : offsets[2]]), "a digit's events do not depend on its neighbours"
    for start, end in pairwise(offsets):
        t = events["t"][start:end]
        assert (np.diff(t) >= 0).all()
        assert t.min() >= 0
        assert t.max() < 300_000
    assert events["x"].max() < 16
    assert 0.4 < events["p"].mean() < 0.6, "the path is closed, so brighter and darker nearly balance"
    assert len(simulate_dvs(images, 0.4)[0]) < len(events)
    assert len(simulate_dvs(np.zeros((1, 8, 8)) + 1e-9, 0.2)[0]) == 0, "nothing to see, no events"


def test_a_pixel_counts_thresholds_of_log_intensity(monkeypatch):
    monkeypatch.setattr(digits_dvs, "MISMATCH", 0.0)
    ramp = np.zeros((3, 1, 16, 16))
    ramp[1, 0, 4, 5], ramp[2, 0, 4, 5] = 1.05, 0.3
    monkeypatch.setattr(digits_dvs, "log_intensity", lambda images: iter(ramp))
    events, _ = simulate_dvs(np.zeros((1, 8, 8)), 0.25)
    # up by 1.05 = 4 thresholds (memory 1.0), down to 0.3 = 2 thresholds
    assert events["p"].tolist() == [True] * 4 + [False] * 2
    assert events["t"].tolist()[:4] == [int(5000 * k * 0.25 / 1.05) for k in (1, 2, 3, 4)]
    assert events["t"].tolist()[4:] == [int(5000 * (1 + (1.05 - level) / 0.75)) for level in (0.75, 0.5)]


def test_digits_dvs_frames_are_learnable(digit_root):
    data = build(DigitsDVS, digit_root, [2, 16, 16], 10, time_steps=4)
    x, y = next(iter(data.train_dataloader()))
    assert x.shape == (8, 4, 2, 16, 16)
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64
    frames = torch.from_numpy(np.array(data.loaded.train.array)).float().flatten(1)
    labels = torch.from_numpy(data.loaded.train.labels)
    train, test = data.loaded.train_indices, data.loaded.test_indices
    centres = torch.stack([frames[train][labels[train] == k].mean(0) for k in range(10)])
    found = torch.cdist(frames[test], centres).argmin(1)
    assert (found == labels[test]).float().mean() > 0.8  # the nearest class mean is enough


def test_digits_dvs_cache_is_used_and_keyed(digit_root, monkeypatch):
    monkeypatch.setattr(digits_dvs, "simulate_dvs", None)  # must not be called again
    first = build(DigitsDVS, digit_root, [2, 16, 16], 10, frames_by="time")
    other_bins = build(DigitsDVS, digit_root, [2, 16, 16], 10, time_steps=3)
    pooled = build(DigitsDVS, digit_root, [2, 8, 8], 10, time_steps=3)
    assert len({d.data_hash for d in (first, other_bins, pooled)}) == 3
    assert other_bins.loaded.train.array.sum() == pooled.loaded.train.array.sum() == first.loaded.train.array.sum()
    assert other_bins.loaded.train.array.shape == (1797, 3, 2, 16, 16)
    assert first.describe()["framing"]["by"] == "time"
    with pytest.raises(ConfigError, match="larger than the simulated camera"):
        build(DigitsDVS, digit_root, [2, 32, 32], 10)


def test_event_workers_and_augmentation_agree(digit_root):
    augment = EventAugment(flip=0.5, roll=2)
    batches = []
    for workers in (0, 2):
        data = build(
            DigitsDVS, digit_root, [2, 16, 16], 10, augment=augment, num_workers=workers, batch_size=256, time_steps=2
        )
        batches.append(torch.cat([x for x, _ in data.train_dataloader()]))
    assert torch.equal(*batches)


def test_a_threshold_that_no_pixel_reaches_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"data\.threshold=9\.0 is so high that digit 0 gives no event"):
        build(DigitsDVS, tmp_path, [2, 16, 16], 10, threshold=9.0).setup()


# CIFAR10-DVS --------------------------------------------------------------------------------------------------------
@pytest.fixture
def dvs_root(tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10DVS, "per_class", 20)
    for k, name in enumerate(CLASSES):
        for i in range(20):
            events = random_events(60 + i, seed=100 * k + i)
            write_aedat2(tmp_path / "CIFAR10DVS" / name / f"cifar10_{name}_{i}.aedat", *events)
    return tmp_path


def cifar_dvs(root, **kw):
    return build(CIFAR10DVS, root, kw.pop("shape", [2, 48, 48]), 10, **kw)


def test_cifar10_dvs_order_and_splits(dvs_root):
    data = cifar_dvs(dvs_root, resize="sum")
    assert (data.train_size, data.test_size) == (180, 20)
    frames = data.loaded.train.array
    assert frames.shape == (200, 4, 2, 48, 48)
    # sorted by (class, number): recording 20 k + i has 60 + i events, text order would put 10 before 2
    assert frames.sum((1, 2, 3, 4)).tolist() == [60 + i for _ in range(10) for i in range(20)]
    splits = {name: cifar_dvs(dvs_root, resize="sum", split=name) for name in ("first900", "tebn100", "random")}
    for name, d in splits.items():
        train, test = d.loaded.train_indices, d.loaded.test_indices
        assert not set(train) & set(test)
        assert len(train) + len(test) == 200
        assert np.bincount(d.loaded.train.labels[test]).tolist() == [2] * 10
        assert d.describe()["split"].startswith(name)
    assert sorted(splits["first900"].loaded.test_indices % 20) == [18] * 10 + [19] * 10
    assert sorted(splits["tebn100"].loaded.test_indices % 20) == [0] * 10 + [1] * 10
    hashes = {d.split_hash for d in splits.values()} | {cifar_dvs(dvs_root, split="random", split_seed=1).split_hash}
    assert len(hashes) == 4
    assert cifar_dvs(dvs_root, split="random", seed=5).split_hash == splits["random"].split_hash
    assert len({d.data_hash for d in splits.values()}) == 1
    for path in (dvs_root / "CIFAR10DVS").glob("*/*.aedat"):
        path.unlink()
    assert cifar_dvs(dvs_root, resize="sum").data_hash == data.data_hash, "the cache is enough"


def test_cifar10_dvs_faults(dvs_root, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(ConfigError, match="snnbench data prepare cifar10_dvs"):
        cifar_dvs(empty).setup()
    cat = dvs_root / "CIFAR10DVS" / "cat"
    (cat / "cifar10_cat_7.aedat").unlink()
    with pytest.raises(ConfigError, match="cat' has 19 recordings"):
        cifar_dvs(dvs_root).setup()
    with pytest.raises(ConfigError, match="must begin with 2"):
        cifar_dvs(dvs_root, shape=[3, 48, 48])


@pytest.mark.skipif(importlib.util.find_spec("aedat") is not None, reason="the optional reader is installed")
def test_aedat4_without_its_reader_says_what_to_do(dvs_root):
    for path in (dvs_root / "CIFAR10DVS").glob("*/*.aedat"):
        path.rename(path.with_suffix(".aedat4"))
    with pytest.raises(ConfigError, match=r"needs the package `aedat`.*original"):
        cifar_dvs(dvs_root).setup()


# DVS128 Gesture and N-MNIST -----------------------------------------------------------------------------------------
def test_gesture_original_release(tmp_path):
    EVENT_SETS["dvs_gesture"].write(tmp_path)
    data = EVENT_SETS["dvs_gesture"].read(tmp_path)
    assert (data.train_size, data.test_size) == (4, 2)
    assert data.loaded.train.labels.tolist() == [0, 10] * 3
    assert data.loaded.test_indices.tolist() == [4, 5]
    events = dvs_gesture.read_aedat31(tmp_path / "DVSGesture" / "DvsGesture" / "user01_led.aedat")
    cut = (events["t"] >= 3_000_000) & (events["t"] < 5_900_000)
    assert data.loaded.train.array[1].sum() == cut.sum()
    assert data.describe()["release"] == "original"
    assert next(iter(data.train_dataloader()))[0].shape == (2, 4, 2, 16, 16)


def test_gesture_tonic_release(tmp_path):
    EVENT_SETS["dvs_gesture_tonic"].write(tmp_path)
    data = EVENT_SETS["dvs_gesture_tonic"].read(tmp_path)
    assert (data.train_size, data.test_size) == (3, 2)
    assert data.loaded.train.labels.tolist() == [0, 0, 10, 0, 10]
    more = [9, 10, 9, 10, 10]  # than EVENTS: user 9 before user 10
    assert (data.loaded.train.array.sum((1, 2, 3, 4)) - EVENTS).tolist() == more
    assert data.describe()["release"] == "tonic"


def test_gesture_faults(tmp_path):
    small, folder = EVENT_SETS["dvs_gesture"], tmp_path / "DVSGesture" / "DvsGesture"
    with pytest.raises(ConfigError, match="snnbench data prepare dvs_gesture"):
        small.read(tmp_path).setup()
    small.write(tmp_path)
    with pytest.raises(ConfigError, match="4 training and 2 test gestures"):
        build(DVSGesture, tmp_path, [2, 128, 128], 11).setup()
    (folder / "user02_lab.aedat").unlink()
    with pytest.raises(ConfigError, match="listed in trials_to_train"):
        small.read(tmp_path).setup()


def test_nmnist_folders(tmp_path):
    EVENT_SETS["nmnist"].write(tmp_path)
    with pytest.raises(ConfigError, match=r"data\.complete=false"):
        build(NMNIST, tmp_path, [2, 34, 34], 10).setup()
    data = build(NMNIST, tmp_path, [2, 34, 34], 10, complete=False)
    assert (data.train_size, data.test_size) == (20, 10)
    assert data.loaded.train.array.sum() == 30 * EVENTS


def test_a_recording_without_events_is_refused(tmp_path):
    class Silent(DigitsDVS):
        def read(self):
            yield make_events(*np.empty((4, 0)))

    data = build(Silent, tmp_path, [2, 16, 16], 10)
    with pytest.raises(ConfigError, match="has no events"):
        data.setup()
