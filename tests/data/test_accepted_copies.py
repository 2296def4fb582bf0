"""Copies with another MD5 are read when the user says so, as plain data, and the record tells."""

import builtins
import copy
import gzip
import os
import pickle
import struct
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
from data_files import build, from_yaml, md5, write_cifar_batch, write_image_set

from snnbench.cli.main import main
from snnbench.config import identity
from snnbench.config.compose import compose
from snnbench.data.plain_pickle import load_plain
from snnbench.errors import ConfigError
from snnbench.tables.groups import Group

WITH_SUMS = ["cifar10", "cifar100", "mnist", "fashion_mnist"]
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 3072), dtype=np.uint8)


def python2_batch():
    """How the published files were written: Python 2, protocol 2, byte strings."""
    head = b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02"
    head += (
        b"M\x00\x0c\x86cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
    )
    return head + struct.pack("<I", PIXELS.size) + PIXELS.tobytes() + b"tbU\x06labels](K\x07K\x01eu."


def test_the_published_form_is_read_as_pickle_reads_it():
    ours, theirs = load_plain(python2_batch()), pickle.loads(python2_batch(), encoding="latin1")
    assert ours.keys() == theirs.keys()
    assert ours["labels"] == theirs["labels"] == [7, 1]
    assert np.array_equal(ours["data"], PIXELS)
    assert np.array_equal(theirs["data"], PIXELS)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_of_every_protocol(protocol):
    data = {
        "data": PIXELS, b"key": b"\x00\xff", "f": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "n": [1, 2.5, None],
        "big": np.arange(3, dtype=">i4"), "bits": np.array([True, False]), "scalar": np.int64(4), "t": (True, "ä", -7),
    }  # fmt: skip
    found = load_plain(pickle.dumps(data, protocol=protocol))
    assert set(found) == {"data", "key", "f", "n", "big", "bits", "scalar", "t"}
    for name in ("data", "f", "big", "bits"):
        assert np.array_equal(found[name], data[name])
        assert found[name].dtype == data[name].dtype
    assert found["key"] == b"\x00\xff"
    assert (found["n"], found["scalar"], found["t"]) == ([1, 2.5, None], 4, (True, "ä", -7))


class Calls:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


HOSTILE = {
    "os.system": lambda mark: pickle.dumps({"data": Calls(os.system, f"touch {mark}")}),
    "eval": lambda mark: pickle.dumps([Calls(builtins.eval, f"open({str(mark)!r}, 'w')")]),
    "open": lambda mark: pickle.dumps(Calls(builtins.open, str(mark), "w")),
    "numpy file": lambda mark: pickle.dumps(Calls(np.save, str(mark), 1)),
    "memory map": lambda mark: b"cnumpy\nmemmap\n(V" + str(mark).encode() + b"\nVu1\nVw+\nI0\n(I9\nttR.",
    "codec": lambda mark: b"\x80\x04c_codecs\nencode\n\x8c\x01a\x8c\x05rot13\x86R.",
    "attribute chain": lambda mark: b"\x80\x04\x8c\x05numpy\x8c\x0eos.system.x\x93.",
    "old instance": lambda mark: b"(ios\nsystem\n.",
    "object array": lambda mark: pickle.dumps(np.array([Calls(os.system, f"touch {mark}")], dtype=object)),
    "persistent": lambda mark: b"Pabc\n.",
    "extension": lambda mark: b"\x80\x02\x82\x01.",
    "a class": lambda mark: b"cnumpy\nndarray\n.",
    "state of a class": lambda mark: b"cnumpy\nndarray\n}b.",
    "wrong size": lambda mark: python2_batch().replace(b"M\x00\x0c", b"M\x00\x0d"),
    "set": lambda mark: pickle.dumps({"data": {1, 2}}),
    "empty": lambda mark: b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_in_a_file_runs(tmp_path, name):
    mark = tmp_path / "ran"
    with pytest.raises(pickle.UnpicklingError):
        load_plain(HOSTILE[name](mark))
    assert not mark.exists()


def test_damaged_bytes_are_one_error():
    good, rng = python2_batch(), np.random.default_rng(0)
    for at in [*range(120), *rng.integers(0, len(good), 40)]:
        for bad in (good[:at], good[:at] + bytes([rng.integers(256)]) + good[at + 1 :]):
            with suppress(pickle.UnpicklingError):  # nothing else may come
                load_plain(bad)


def replace_one(name, cls, root):
    """Make the last file of the data set another copy; returns its sum."""
    path = root / cls.source.folder / cls.source.files[-1][0]
    if name.startswith("cifar"):
        write_cifar_batch(path, 20, 77, cls.label_key, 10)
    else:
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1, mtime=7))
    return path.name, md5(path)


@pytest.mark.parametrize("name", WITH_SUMS)
def test_a_copy_is_refused_with_its_sum_and_read_when_accepted(tmp_path, monkeypatch, name):
    cls, values = write_image_set(name, tmp_path, monkeypatch)
    published = build(cls, tmp_path, **values)
    assert "other_md5" not in published.describe()
    file, found = replace_one(name, cls, tmp_path)
    with pytest.raises(ConfigError, match=rf"{file}' has MD5 {found}, expected .*set data\.accept_md5=\[{found}\]"):
        build(cls, tmp_path, **values).setup()
    data = build(cls, tmp_path, **values | {"accept_md5": [found, "0" * 32]})
    assert data.describe()["other_md5"] == {file: found}
    assert data.data_hash != published.data_hash
    with pytest.raises(ConfigError, match=r"data\.accept_md5=\[abc\] must be MD5 sums"):
        build(cls, tmp_path, **values | {"accept_md5": ["abc"]})


def test_all_other_sums_are_named_at_once(tmp_path, monkeypatch):
    cls, values = write_image_set("cifar100", tmp_path, monkeypatch)
    for file, _ in cls.source.files:
        write_cifar_batch(tmp_path / cls.source.folder / file, 20, 77 + len(file), cls.label_key, 10)
    sums = ",".join(md5(tmp_path / cls.source.folder / file) for file, _ in cls.source.files)
    with pytest.raises(ConfigError, match=rf"data\.accept_md5=\[{sums}\]"):
        build(cls, tmp_path, **values).setup()
    build(cls, tmp_path, **values | {"accept_md5": sums.split(",")}).setup()


@pytest.mark.parametrize("name", WITH_SUMS)
def test_an_accepted_file_that_holds_something_else_is_named(tmp_path, monkeypatch, name):
    cls, values = write_image_set(name, tmp_path, monkeypatch)
    file = cls.source.files[0][0]
    mark, path = tmp_path / "ran", tmp_path / cls.source.folder / file
    others = [
        b"", b"text", gzip.compress(b"text"), pickle.dumps([1]), pickle.dumps({"data": [1]}),
        pickle.dumps({"data": PIXELS.astype(float), cls.__dict__.get("label_key", "labels"): [1, 2]}),
        pickle.dumps({"data": PIXELS, "labels": [1], "fine_labels": [1]}),
        pickle.dumps(Calls(os.system, f"touch {mark}")),
    ]  # fmt: skip
    for content in others:
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=file) as error:
            build(cls, tmp_path, **values | {"accept_md5": [md5(path)]}).setup()
        assert "\n" not in str(error.value)
    assert not mark.exists()


@pytest.mark.parametrize("name", WITH_SUMS)
def test_an_empty_list_changes_no_hash_and_a_sum_does(name):
    config = compose([f"data={name}"]).config
    before = copy.deepcopy(config)
    del before["data"]["accept_md5"]
    accepting = copy.deepcopy(config)
    accepting["data"]["accept_md5"] = ["0" * 32]
    for digest in (identity.config_hash, identity.recipe_hash):
        assert digest(config) == digest(before)
        assert digest(config) != digest(accepting)
    assert identity.deviations(accepting, before) == {}  # the table names the copy, see below
    assert from_yaml("data", name)[1]["accept_md5"] == []


def test_tables_mark_a_copy():
    data = {"name": "cifar100", "other_md5": {"train": "996a95375358b9a9502103a334e63867"}}
    one = SimpleNamespace(data=data, config={}, deviations={}, epochs=1, epochs_planned=1, experiment=None)
    assert Group([one]).mark == " (copy with MD5 996a9537 of train)"


def test_the_command_line_takes_the_key(tmp_path, monkeypatch, capsys):
    write_image_set("cifar100", tmp_path, monkeypatch)
    command = ["train", "data=cifar100", f"paths.data={tmp_path}", f"paths.runs={tmp_path / 'runs'}"]
    assert main([*command, "data.accept_md5=996a95375358b9a9502103a334e63867"]) == 2
    assert "data.accept_md5=996a95375358b9a9502103a334e63867 must be a list" in capsys.readouterr().err
