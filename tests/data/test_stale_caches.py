"""A cache of frames follows its recordings: a changed one is seen however it was changed, a copied one is kept."""

import multiprocessing
import os
import shutil
import signal
import time

import numpy as np
import pytest
from data_files import build
from small_sets import EVENT_SETS, SmallCIFAR10DVS
from test_data_cache import Maker

from snnbench.data.cache import ArrayCache
from snnbench.data.event_data import FramedEvents
from snnbench.data.source_files import constant, fingerprint
from snnbench.errors import ConfigError


@pytest.fixture
def built(monkeypatch):
    """Counts conversions."""
    calls, convert = [], FramedEvents._convert
    monkeypatch.setattr(FramedEvents, "_convert", lambda *arguments: calls.append(1) or convert(*arguments))
    return calls


@pytest.mark.parametrize("name", EVENT_SETS)
def test_a_changed_recording_of_the_same_size_and_time_is_seen(tmp_path, name, built):
    EVENT_SETS[name].write(tmp_path)
    before = EVENT_SETS[name].read(tmp_path).data_hash
    assert EVENT_SETS[name].read(tmp_path).data_hash == before
    assert len(built) == 1
    recordings = [p for p in sorted(tmp_path.glob(EVENT_SETS[name].files)) if p.suffix not in (".csv", ".txt")]
    path, other = recordings[:2]
    about = path.stat()
    shutil.copyfile(other, path)
    if not path.name.endswith(".h5"):
        assert path.stat().st_size == about.st_size
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    after = EVENT_SETS[name].read(tmp_path).data_hash
    assert after != before
    assert len(built) == 2
    for cuts in tmp_path.glob("*/*/user01_led_labels.csv"):
        cuts.write_text(cuts.read_text().replace("11,3000000", "10,3000000"))
        assert EVENT_SETS[name].read(tmp_path).data_hash not in (before, after), "labels are seen, too"


@pytest.mark.parametrize("name", ["nmnist", "shd"])
def test_copies_and_touched_files_keep_the_cache(tmp_path, name, built):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    EVENT_SETS[name].write(here)
    before = EVENT_SETS[name].read(here).data_hash
    shutil.copytree(here, there, copy_function=shutil.copyfile)
    for path in there.glob(EVENT_SETS[name].files):
        os.utime(path)
    for _ in range(2):
        data = EVENT_SETS[name].read(there)
        assert data.data_hash == before
    assert len(built) == 1, "the content is the same, so nothing is converted again"


def test_content_is_read_once_after_a_copy(tmp_path, monkeypatch):
    source = tmp_path / "a.bin"
    source.write_bytes(b"abc")
    made, maker = ArrayCache(tmp_path, "frames", {}, fingerprint(tmp_path, [source])), Maker()
    made.open_or_build(maker)
    os.utime(source)
    moved = fingerprint(tmp_path, [source])
    ArrayCache(tmp_path, "frames", {}, moved).open_or_build(maker)
    assert "content" in vars(moved)
    again = fingerprint(tmp_path, [source])
    ArrayCache(tmp_path, "frames", {}, again).open_or_build(maker)
    assert "content" not in vars(again), "the new stamp was written down"
    assert maker.calls == 1


def test_a_recording_that_changes_while_it_is_converted_is_seen_next_time(tmp_path):
    source = tmp_path / "a.bin"
    source.write_bytes(b"abc")

    def build(draft):
        source.write_bytes(b"xyz")
        return Maker()(draft)

    ArrayCache(tmp_path, "frames", {}, fingerprint(tmp_path, [source])).open_or_build(build)
    assert ArrayCache(tmp_path, "frames", {}, fingerprint(tmp_path, [source])).open() is None


def test_every_setting_that_changes_frames_has_a_cache_of_its_own(tmp_path, built):
    EVENT_SETS["cifar10_dvs"].write(tmp_path)
    changes = (
        {}, {"time_steps": 5}, {"frames_by": "time"}, {"resize": "nearest"}, {"resize": "sum"},
        {"normalise": "max"}, {"resize": "sum", "count_dtype": "int16"},
    )  # fmt: skip
    for rounds in range(2):
        for change in changes:
            build(SmallCIFAR10DVS, tmp_path, [2, 16, 16], 10, **change).setup()
        assert len(built) == len(changes), f"round {rounds}"
    build(SmallCIFAR10DVS, tmp_path, [2, 16, 16], 10, split="tebn100", seed=3, batch_size=4, num_workers=2).setup()
    assert len(built) == len(changes), "split, seed and batch do not change frames"


def hang(folder, started):
    def build(draft):
        np.save(draft / "frames.npy", np.zeros(1000))
        started.set()
        time.sleep(60)

    ArrayCache(folder, "frames", {"T": 1}, constant("s")).open_or_build(build)


@pytest.mark.parametrize("key", [1, 2])
def test_a_build_that_is_killed_leaves_nothing_after_the_next_one(tmp_path, key):
    """Also where the next build is of another cache in that folder."""
    context = multiprocessing.get_context("fork")
    started = context.Event()
    job = context.Process(target=hang, args=(tmp_path, started))
    job.start()
    assert started.wait(30)
    other = ArrayCache(tmp_path, "frames", {"T": 3}, constant("s"))
    other.open_or_build(Maker())
    assert list(tmp_path.glob(".*.tmp")), "the draft of a living process stays"
    os.kill(job.pid, signal.SIGKILL)
    job.join()
    assert ArrayCache(tmp_path, "frames", {"T": 1}, constant("s")).open() is None
    arrays, _ = ArrayCache(tmp_path, "frames", {"T": key}, constant("s")).open_or_build(Maker())
    assert arrays["frames"].shape == (200, 1000)
    assert not list(tmp_path.glob(".*.tmp"))


def test_no_room_for_a_cache_is_one_sentence(tmp_path):
    def full(draft):
        raise OSError(28, "No space left on device")

    with pytest.raises(ConfigError, match=r"Cannot write the cache .*No space left on device.*paths\.data"):
        ArrayCache(tmp_path, "frames", {}, constant("s")).open_or_build(full)
    assert not list(tmp_path.glob(".*.tmp"))
