"""Every reader x every damage: one sentence with the file's name and the true reason. Clutter is passed over."""

import builtins
import errno
import multiprocessing
import os
import shutil

import h5py
import numpy as np
import pytest
from small_sets import EVENT_SETS, IMAGE_SETS

from snnbench.data import files
from snnbench.errors import ConfigError

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
ANNEX = b"/annex/objects/SHA256E-s12345--4d7a2146.bin\n"
ANNEX_LINK = "../../.git/annex/objects/Wf/2z/SHA256E-s5--4d7a/SHA256E-s5--4d7a"


def replace(path, content):
    path.unlink()
    path.write_bytes(content)


def make_folder(path):
    path.unlink()
    path.mkdir()


def make_pipe(path):
    path.unlink()
    os.mkfifo(path)


def make_link(path, target):
    path.unlink()
    path.symlink_to(target)


DAMAGES = {
    "empty": (lambda path: replace(path, b""), r"is empty \(0 bytes\)"),
    "cut": (lambda path: replace(path, path.read_bytes()[:-3]), "cut off|truncated file|cannot be read|no class of"),
    "half": (lambda path: replace(path, path.read_bytes()[: path.stat().st_size // 80 * 40 + 3]), "."),
    "lfs": (lambda path: replace(path, LFS), "a pointer of Git LFS: run `git lfs pull`"),
    "annex": (lambda path: replace(path, ANNEX), "a pointer of git-annex: run `git annex get"),
    "annex link": (lambda path: make_link(path, ANNEX_LINK), "is not there: run `git annex get"),
    "dangling": (lambda path: make_link(path, "gone"), "is a link to 'gone', which is not there: mend or remove"),
    "loop": (lambda path: make_link(path, path.name), "link"),
    "folder": (make_folder, "is a folder|is no file"),
    "pipe": (make_pipe, "is a pipe|is no file"),
    "html": (lambda path: replace(path, b"<!DOCTYPE html><p>503 busy, come back"), "."),
    "zeros": (lambda path: replace(path, bytes(40 * 7 * 8)), "."),
    "noise": (lambda path: replace(path, np.random.default_rng(0).bytes(4001)), "."),
}


def victims(name, root):
    """One file of each kind that this reader opens."""
    found = {}
    for path in sorted(root.glob(EVENT_SETS[name].files)):
        found.setdefault("_labels.csv" if path.name.endswith("_labels.csv") else path.suffix, path)
    return list(found.values())


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", EVENT_SETS)
def test_the_sentence_names_file_and_reason(tmp_path, name, damage):
    (tmp_path / "whole").mkdir()
    EVENT_SETS[name].write(tmp_path / "whole")
    for number, victim in enumerate(victims(name, tmp_path / "whole")):
        root = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", root)
        path = root / victim.relative_to(tmp_path / "whole")
        spoil, says = DAMAGES[damage]
        if path.suffix == ".txt" and damage in ("cut", "half", "zeros", "html", "noise"):
            says = "listed in|is no text|gestures|is not there"
        spoil(path)
        with pytest.raises(ConfigError, match=says) as refused:
            EVENT_SETS[name].read(root).setup()
        sentence = str(refused.value)
        assert path.name in sentence or path.suffix == ".txt", sentence
        assert "\n" not in sentence
        assert not list(root.glob("*/*-*/manifest.json")), "no cache is left"


@pytest.mark.parametrize("name", EVENT_SETS)
@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "may not be read by this user"),
        (OSError(errno.EIO, "Input/output error"), r"cannot be read \(Input/output error\)"),
        (OSError(errno.ESTALE, "Stale file handle"), r"cannot be read \(Stale file handle\)"),
    ],
)
def test_a_file_that_the_system_does_not_give(tmp_path, monkeypatch, name, error, says):
    EVENT_SETS[name].write(tmp_path)
    path, real = victims(name, tmp_path)[0], open

    def refuse(file, *arguments, **keywords):
        if str(file) == str(path):
            raise error
        return real(file, *arguments, **keywords)

    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(ConfigError, match=rf"{path.name}' {says}"):
        EVENT_SETS[name].read(tmp_path).setup()


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(errno.EACCES, "Permission denied")

    EVENT_SETS["nmnist"].write(tmp_path)
    monkeypatch.setattr(files.os, "scandir", refuse)
    with pytest.raises(ConfigError, match="NMNIST/Train' may not be read by this user"):
        EVENT_SETS["nmnist"].read(tmp_path).setup()


# HDF5 ---------------------------------------------------------------------------------------------------------------
def hold(path, ready, done):
    with h5py.File(path, "a"):
        ready.set()
        done.wait(30)


def test_an_hdf5_file_that_another_program_writes(tmp_path):
    EVENT_SETS["shd"].write(tmp_path)
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    writer = context.Process(target=hold, args=(tmp_path / "SHD" / "shd_test.h5", ready, done))
    writer.start()
    assert ready.wait(30)
    try:
        with pytest.raises(ConfigError, match=r"shd_test\.h5' is locked by a program that writes it.*HDF5_USE"):
            EVENT_SETS["shd"].read(tmp_path).setup()
    finally:
        done.set()
        writer.join()
    assert EVENT_SETS["shd"].read(tmp_path).train_size == 25


@pytest.mark.parametrize(
    ("removed", "put", "says"),
    [
        *((key, {}, r"is an HDF5 file without '(labels|spikes/)") for key in ("labels", "spikes/units", "spikes")),
        ("spikes/times", {}, "is an HDF5 file without 'spikes/times'"),
        ("spikes/times", {"spikes/times/group": [1]}, "is an HDF5 file without 'spikes/times'"),
        ("spikes/times", {"spikes/times": np.zeros((25, 80))}, "has 'spikes/times'"),
        ("spikes/times", {"spikes/times": ["a"] * 25}, "has 'spikes/times'"),
        ("labels", {"labels": np.arange(25)}, "has .*labels from 0 to 24, but the set has 20 classes"),
        ("labels", {"labels": np.arange(25) - 1}, "has .*labels from -1"),
        ("labels", {"labels": np.arange(25) / 2}, "has .*no list of whole numbers"),
        ("labels", {"labels": np.zeros((25, 2), dtype=int)}, "has .*no list of whole numbers"),
        ("labels", {"labels": np.zeros(24, dtype=int)}, "has .*24 labels for 25 recordings"),
    ],
)
def test_an_hdf5_file_of_another_layout_or_with_foreign_labels(tmp_path, removed, put, says):
    EVENT_SETS["shd"].write(tmp_path)
    with h5py.File(tmp_path / "SHD" / "shd_train.h5", "a") as file:
        del file[removed]
        for key, value in put.items():
            file[key] = value
    with pytest.raises(ConfigError, match=rf"shd_train\.h5' {says}"):
        EVENT_SETS["shd"].read(tmp_path).setup()


# clutter and misfits ------------------------------------------------------------------------------------------------
def clutter(folder, sample):
    """What macOS, Windows, Jupyter and editors leave beside data."""
    (folder / f"._{sample.name}").write_bytes(b"\0\5\26\7Mac OS X")
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    for name in ("Thumbs.db", "desktop.ini", f".hidden{sample.suffix}"):
        (folder / name).write_bytes(b"x")
    if sample.suffix != ".JPEG":  # a text among pictures is no clutter but a misfit
        (folder / "README.txt").write_text("about")
    (folder / f".{sample.name}.swp").symlink_to("gone")
    for hidden in (".ipynb_checkpoints", "__MACOSX", ".n00000001.0000aaaa.tmp"):
        (folder / hidden).mkdir()
        shutil.copy(sample, folder / hidden / sample.name)


@pytest.mark.parametrize("name", EVENT_SETS | {"imagenet": IMAGE_SETS["imagenet"]})
def test_clutter_is_passed_over(tmp_path, name):
    small = (EVENT_SETS | IMAGE_SETS)[name]
    small.write(tmp_path)
    clean = small.read(tmp_path)
    assert clean.describe().get("odd_events", {}) == {}, "good recordings are read whole"
    samples = sorted(tmp_path.glob(small.files))
    folders = {p for s in samples for p in s.parents if tmp_path in p.parents}
    for folder in sorted(folders):
        clutter(folder, next((s for s in samples if s.parent == folder), samples[0]))
    dirty = small.read(tmp_path)
    assert dirty.data_hash == clean.data_hash
    assert (dirty.train_size, dirty.test_size) == (clean.train_size, clean.test_size)
    shutil.rmtree(next(tmp_path.glob("*/frames-*"), tmp_path / "none"), ignore_errors=True)
    assert small.read(tmp_path).data_hash == clean.data_hash


@pytest.mark.parametrize(
    ("name", "of", "misfit"),
    [
        ("nmnist", "NMNIST/Train/3/00022.bin", "00022 (1).bin"),
        ("nmnist", "NMNIST/Train/3/00022.bin", "copy.bin"),
        ("nmnist", "NMNIST/Train/3/00022.bin", "22.bin"),
        ("nmnist", "NMNIST/Test/3/00022.bin", "../10/00022.bin"),
        ("cifar10_dvs", "CIFAR10DVS/cat/cifar10_cat_3.aedat", "cifar10_cat_3 (1).aedat"),
        ("cifar10_dvs", "CIFAR10DVS/cat/cifar10_cat_3.aedat", "copy_cifar10_cat_3.aedat"),
        ("cifar10_dvs", "CIFAR10DVS/cat/cifar10_cat_3.aedat", "cifar10_cat_3.aedat4"),
        ("dvs_gesture_tonic", "DVSGesture/ibmGestureTrain/user9_led/0.npy", "0 (1).npy"),
        ("dvs_gesture_tonic", "DVSGesture/ibmGestureTrain/user9_led/0.npy", "11.npy"),
        ("dvs_gesture_tonic", "DVSGesture/ibmGestureTrain/user9_led/0.npy", "-1.npy"),
    ],
)
def test_misfits_are_named(tmp_path, name, of, misfit):
    EVENT_SETS[name].write(tmp_path)
    path = (tmp_path / of).parent / misfit
    path.parent.mkdir(exist_ok=True)
    shutil.copy(tmp_path / of, path)
    culprit = path.resolve().parent.name if misfit.startswith("..") else path.name
    with pytest.raises(ConfigError) as refused:
        EVENT_SETS[name].read(tmp_path).setup()
    assert culprit in str(refused.value)
    assert "(1)" not in misfit or f"is a second copy of '{path.name.replace(' (1)', '')}'" in str(refused.value)


@pytest.mark.parametrize("entry", ["file", "link"])
def test_a_class_folder_that_is_none_is_named(tmp_path, entry):
    EVENT_SETS["nmnist"].write(tmp_path)
    folder = tmp_path / "NMNIST" / "Train" / "3"
    shutil.rmtree(folder)
    folder.write_bytes(b"x") if entry == "file" else folder.symlink_to("gone")
    says = "is no folder" if entry == "file" else "is a link to 'gone', which is not there"
    with pytest.raises(ConfigError, match=f"Train/3' {says}"):
        EVENT_SETS["nmnist"].read(tmp_path).setup()
