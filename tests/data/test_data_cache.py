"""Caches: another key is another folder; half-written and stale ones are rebuilt; damaged ones are refused."""

import multiprocessing
import time

import numpy as np
import pytest

from snnbench.data.cache import MANIFEST, ArrayCache
from snnbench.data.source_files import constant
from snnbench.errors import ConfigError


class Maker:
    def __init__(self, value=1):
        self.calls, self.value = 0, value

    def __call__(self, folder):
        self.calls += 1
        np.save(folder / "frames.npy", np.full((200, 1000), self.value, dtype=np.uint8))
        return {"note": self.value}


def cache(tmp_path, time_steps=4, sources="s"):
    return ArrayCache(tmp_path, "frames", {"T": time_steps}, None if sources is None else constant(sources))


def test_made_once_then_opened(tmp_path):
    maker = Maker()
    for _ in range(2):
        arrays, manifest = cache(tmp_path).open_or_build(maker)
        assert arrays["frames"].sum() == 200_000
        assert isinstance(arrays["frames"], np.memmap)
        assert manifest["note"] == 1
    assert maker.calls == 1
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("manifest", [None, "{", '{"key": {"T": 99}, "arrays": {}}'])
def test_half_written_or_of_another_key_is_made_again(tmp_path, manifest):
    broken = cache(tmp_path)
    broken.path.mkdir()
    np.save(broken.path / "frames.npy", np.zeros(3))
    if manifest is not None:
        (broken.path / MANIFEST).write_text(manifest)
    left_over = tmp_path / f".{broken.path.name}.deadbeef.tmp"
    left_over.mkdir()
    assert broken.open() is None
    arrays, found = broken.open_or_build(Maker(3))
    assert (arrays["frames"].shape, found["note"]) == ((200, 1000), 3)
    assert not left_over.exists()


def test_failure_in_the_middle_leaves_nothing(tmp_path):
    def stops(folder):
        np.save(folder / "frames.npy", np.zeros(3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache(tmp_path).open_or_build(stops)
    assert cache(tmp_path).open() is None
    assert [p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")] == []


def test_other_source_files_make_it_stale(tmp_path):
    cache(tmp_path).open_or_build(Maker())
    maker = Maker(2)
    arrays, _ = cache(tmp_path, sources="changed").open_or_build(maker)
    assert maker.calls == 1
    assert arrays["frames"][0, 0] == 2
    assert cache(tmp_path, sources=None).open() is not None  # the recordings may be deleted


@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_damaged_is_refused(tmp_path, damage):
    made = cache(tmp_path)
    made.open_or_build(Maker())
    path = made.path / "frames.npy"
    raw = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(raw[:-10])
    elif damage == "flip":
        raw[100_000] ^= 1
        path.write_bytes(raw)
    else:
        path.unlink()
    with pytest.raises(ConfigError, match=r"is damaged .*delete this folder"):
        made.open_or_build(Maker())


def race(folder, results):
    def slow(draft):
        time.sleep(0.3)
        return Maker()(draft)

    arrays, _ = ArrayCache(folder, "frames", {"T": 1}, constant("s")).open_or_build(slow)
    results.put(int(arrays["frames"].sum()))


def test_two_processes_may_race(tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    jobs = [context.Process(target=race, args=(tmp_path, results)) for _ in range(2)]
    for job in jobs:
        job.start()
    assert [results.get(timeout=30) for _ in jobs] == [200_000, 200_000]
    for job in jobs:
        job.join()
        assert job.exitcode == 0
    assert not list(tmp_path.glob(".*.tmp"))
