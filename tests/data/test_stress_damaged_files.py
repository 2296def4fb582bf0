"""scripts/stress/damaged_files.py: a small share of its cases, and that it sees what it should see."""

import importlib.util
from pathlib import Path

import pytest
from small_sets import EVENT_SETS

SCRIPT = Path(__file__).parents[2] / "scripts" / "stress" / "damaged_files.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("damaged_files", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_share_of_the_random_damages(script, tmp_path):
    cases = script.run(22, 1, tmp_path)
    assert {case[0] for case in cases} == set(script.SETS)
    assert [case for case in cases if case[3] in ("wrong", "traceback", "crash")] == []
    assert sum(case[3] == "refused" for case in cases) >= 11


def test_faults_are_told_apart(script, tmp_path, monkeypatch):
    EVENT_SETS["nmnist"].write(tmp_path)
    clean = script.read("nmnist", tmp_path)[0]
    assert script.in_child("nmnist", tmp_path, clean, True)[0] == "right"
    assert script.in_child("nmnist", tmp_path, "another digest", True)[0] == "wrong"
    assert script.in_child("nmnist", tmp_path, "another digest", False)[0] == "other"
    monkeypatch.setattr(script, "read", lambda *_: 1 / 0)
    assert script.in_child("nmnist", tmp_path, clean, True)[0] == "traceback"
    monkeypatch.setattr(script, "LIMIT_S", 1)
    monkeypatch.setattr(script, "read", lambda *_: script.os.kill(script.os.getpid(), 9))
    assert script.in_child("nmnist", tmp_path, clean, True) == ("crash", "signal 9")


def test_a_zeroed_heap_of_hdf5_is_refused_and_does_not_hang(script, tmp_path):
    EVENT_SETS["shd"].write(tmp_path)
    path = tmp_path / "SHD" / "shd_train.h5"
    raw = bytearray(path.read_bytes())
    heap = raw.find(b"GCOL")
    raw[heap + 400 : heap + 2400] = bytes(2000)
    path.write_bytes(raw)
    found, text = script.in_child("shd", tmp_path, "", True)
    assert found == "refused"
    assert "shd_train.h5' is a damaged HDF5 file (a heap has an object of no size" in text
