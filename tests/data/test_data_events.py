"""Event data sets from files in the originals' formats: order, splits, caches, faults."""

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from data_files import aedat31_packet, build, random_events, write_aedat2, write_aedat31

from snnbench.data import cifar10_dvs, digits_dvs, dvs_gesture
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


def test_good_cache_opens_no_recording(dvs_root, monkeypatch):
    first = cifar_dvs(dvs_root)
    assert first.data_hash

    def never(path, counted):
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(cifar10_dvs, "read_aedat2", never)
    again = cifar_dvs(dvs_root)
    assert again.data_hash == first.data_hash
    x, _ = next(iter(again.test_dataloader()))
    assert x.shape == (16, 4, 2, 48, 48)
    with pytest.raises(AssertionError, match="was opened"):
        cifar_dvs(dvs_root, time_steps=5).setup()
    for path in (dvs_root / "CIFAR10DVS").glob("*/*.aedat"):
        path.unlink()
    assert cifar_dvs(dvs_root).data_hash == first.data_hash, "the cache is enough"


def test_changed_recordings_make_the_cache_stale(dvs_root):
    before = cifar_dvs(dvs_root).data_hash
    write_aedat2(dvs_root / "CIFAR10DVS" / "cat" / "cifar10_cat_3.aedat", *random_events(500, seed=9))
    assert cifar_dvs(dvs_root).data_hash != before


def test_cifar10_dvs_faults(dvs_root, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(ConfigError, match="snnbench data prepare cifar10_dvs"):
        cifar_dvs(empty).setup()
    cat = dvs_root / "CIFAR10DVS" / "cat"
    removed = (cat / "cifar10_cat_7.aedat").read_bytes()
    (cat / "cifar10_cat_7.aedat").unlink()
    with pytest.raises(ConfigError, match="cat' has 19 recordings"):
        cifar_dvs(dvs_root).setup()
    (cat / "cifar10_cat_7.aedat").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"cifar10_cat_7\.aedat' is empty"):
        cifar_dvs(dvs_root).setup()
    assert not list((dvs_root / "CIFAR10DVS").glob("frames-*")), "a failed conversion leaves no cache"
    (cat / "cifar10_cat_7.aedat").write_bytes(removed)
    assert cifar_dvs(dvs_root).train_size == 180
    with pytest.raises(ConfigError, match="must begin with 2"):
        cifar_dvs(dvs_root, shape=[3, 48, 48])


@pytest.mark.skipif(importlib.util.find_spec("aedat") is not None, reason="the optional reader is installed")
def test_aedat4_without_its_reader_says_what_to_do(dvs_root):
    for path in (dvs_root / "CIFAR10DVS").glob("*/*.aedat"):
        path.rename(path.with_suffix(".aedat4"))
    with pytest.raises(ConfigError, match=r"needs the package `aedat`.*original"):
        cifar_dvs(dvs_root).setup()


# DVS128 Gesture -----------------------------------------------------------------------------------------------------
def original_gesture(root: Path):
    folder = root / "DVSGesture" / "DvsGesture"
    for user in ("user01_led", "user02_lab", "user24_led"):
        x, y, t, p = random_events(900, seed=len(user), t_max=9000)
        write_aedat31(folder / f"{user}.aedat", aedat31_packet(x[:500], y[:500], t[:500], p[:500]),
                      aedat31_packet(x[500:], y[500:], t[500:], p[500:]))  # fmt: skip
        cuts = "class,startTime_usec,endTime_usec\n1,0,3000\n8,3000,6000\n11,6500,9000\n"
        (folder / f"{user}_labels.csv").write_text(cuts)
    (folder / "trials_to_train.txt").write_text("user01_led.aedat\nuser02_lab.aedat\n\n")
    (folder / "trials_to_test.txt").write_text("user24_led.aedat\n")
    return folder


def gesture(root, **kw):
    return build(DVSGesture, root, [2, 128, 128], 11, batch_size=2, **kw)


def test_gesture_original_release(tmp_path, monkeypatch):
    monkeypatch.setattr(DVSGesture, "expected", {"original": (6, 3)})
    folder = original_gesture(tmp_path)
    data = gesture(tmp_path)
    assert (data.train_size, data.test_size) == (6, 3)
    assert data.loaded.train.labels.tolist() == [0, 7, 10] * 3
    assert data.loaded.test_indices.tolist() == [6, 7, 8]
    events = dvs_gesture.read_aedat31(folder / "user01_led.aedat")
    cut = (events["t"] >= 6500) & (events["t"] < 9000)
    assert data.loaded.train.array[2].sum() == cut.sum()
    assert data.describe()["release"] == "original"
    x, y = next(iter(data.train_dataloader()))
    assert x.shape == (2, 4, 2, 128, 128)
    assert y.max() <= 10


def test_gesture_tonic_release(tmp_path, monkeypatch):
    monkeypatch.setattr(DVSGesture, "expected", {"tonic": (4, 2)})
    for part, users in (("Train", ("user10_led", "user9_led")), ("Test", ("user24_lab",))):
        for n, user in enumerate(users):
            folder = tmp_path / "DVSGesture" / f"ibmGesture{part}" / user
            folder.mkdir(parents=True)
            for label in (10, 2):
                x, y, t, p = random_events(100 + 10 * n + label, seed=label)
                np.save(folder / f"{label}.npy", np.stack([x, y, p, t], axis=1).astype(np.float64))
    data = gesture(tmp_path)
    assert (data.train_size, data.test_size) == (4, 2)
    assert data.loaded.train.labels.tolist() == [2, 2, 10, 10, 2, 10]
    assert data.loaded.train.array.sum((1, 2, 3, 4)).tolist() == [112, 102, 120, 110, 102, 110]  # user 9 before 10
    assert data.describe()["release"] == "tonic"


def test_gesture_faults(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="snnbench data prepare dvs_gesture"):
        gesture(tmp_path).setup()
    folder = original_gesture(tmp_path)
    with pytest.raises(ConfigError, match="6 training and 3 test gestures"):
        gesture(tmp_path).setup()
    monkeypatch.setattr(DVSGesture, "expected", {"original": (6, 3)})
    (folder / "user02_lab_labels.csv").write_text("class,start,end\n1,a,b\n")
    with pytest.raises(ConfigError, match=r"user02_lab_labels\.csv"):
        gesture(tmp_path).setup()
    (folder / "user02_lab.aedat").unlink()
    with pytest.raises(ConfigError, match="listed in trials_to_train"):
        gesture(tmp_path).setup()


# N-MNIST ------------------------------------------------------------------------------------------------------------
def test_nmnist_folders(tmp_path):
    for part in ("Train", "Test"):
        for digit in range(10):
            folder = tmp_path / "NMNIST" / part / str(digit)
            folder.mkdir(parents=True)
            raw = np.random.default_rng(digit).integers(0, 34, (50, 5), dtype=np.uint8)
            raw.tofile(folder / f"{digit + 1:05d}.bin")
    with pytest.raises(ConfigError, match=r"data\.complete=false"):
        build(NMNIST, tmp_path, [2, 34, 34], 10).setup()
    data = build(NMNIST, tmp_path, [2, 34, 34], 10, complete=False)
    assert (data.train_size, data.test_size) == (10, 10)
    assert data.loaded.train.array.sum() == 20 * 50


def test_a_recording_without_events_is_refused(tmp_path):
    class Silent(DigitsDVS):
        def read(self):
            yield make_events(*np.empty((4, 0)))

    data = build(Silent, tmp_path, [2, 16, 16], 10)
    with pytest.raises(ConfigError, match="has no events"):
        data.setup()
