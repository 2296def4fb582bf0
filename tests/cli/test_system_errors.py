"""Errors of the operating system: one sentence with the path and the reason, exit code 2, a truthful record."""

import errno
import os
import resource
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from snnbench.cli.main import main
from snnbench.cli.system_errors import sentence
from snnbench.records import write_record
from snnbench.train.background import BackgroundCheckpointIO
from snnbench.train.epochs import COLUMNS
from snnbench.writing import writing
from tests.tables.records_of import record as make_record
from tests.train.conftest import SMALL, only_run, record


@contextmanager
def largest_file(size):
    """Writing more to one file fails (EFBIG), also for root; the nearest to a full disk that needs no disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def commands(place, tmp_path):
    """Commands that write below `place`."""
    source = tmp_path / "source"
    write_record(source / "run.json", make_record())
    (source / "metrics.csv").write_text(",".join(COLUMNS) + "\n1" + ",2.0" * (len(COLUMNS) - 1) + "\n")
    return {
        "train": ["train", *SMALL, "train.epochs=1", f"paths.runs={place}"],
        "grid": ["train", "-m", *SMALL, "seed=0,1", f"paths.runs={place}"],
        "keep": ["keep", f"run={source}", f"out={place}"],
        "tables": ["tables", f"records={source}", f"out={place}"],
        "plot": ["plot", f"run={source}", f"out={place}/plot.png"],
    }


COMMANDS = ("train", "grid", "keep", "tables", "plot")


def is_one_sentence(capsys, *parts):
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("snnbench: ")
    for part in parts:
        assert part in line
    return True


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("place", ["a file", "below a file", "too long", "below proc"])
def test_a_place_that_cannot_be(name, place, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    places = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "x",
        "too long": tmp_path / ("x" * 300),
        "below proc": "/proc/snnbench",
    }
    assert main(commands(places[place], tmp_path)[name]) == 2
    assert is_one_sentence(capsys, str(places[place]))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_place_that_refuses(name, number, tmp_path, capsys, monkeypatch):
    """Root may write everywhere, so the refusal is simulated: of making a folder, as on a read-only file system."""
    arguments = commands(tmp_path / "new" / "runs", tmp_path)[name]

    def refuse(path, *_):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "mkdir", refuse)
    assert main(arguments) == 2
    assert is_one_sentence(capsys, str(tmp_path / "new"), os.strerror(number))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_cannot_be_written_to_its_end(name, tmp_path, capsys):
    arguments = commands(tmp_path / "out", tmp_path)[name]
    with largest_file(20):
        code = main(arguments)
    assert code == (1 if name == "grid" else 2)  # a grid's jobs fail, each in a process of its own
    if name != "grid":
        assert is_one_sentence(capsys, str(tmp_path / "out"), os.strerror(errno.EFBIG))


def test_no_room_for_a_checkpoint(tmp_path, capsys):
    """The record says why the run failed, half a file is not left, and with room the run goes on."""
    arguments = commands(tmp_path, tmp_path)["train"]
    (tmp_path / "source" / "run.json").unlink()
    with largest_file(10_000):  # enough for the record
        assert main(arguments) == 2
    assert is_one_sentence(capsys, ".ckpt", os.strerror(errno.EFBIG))
    folder = only_run(tmp_path)
    assert record(folder)["status"] == "failed"
    assert ".ckpt" in record(folder)["error"]
    assert not list(folder.rglob("*.part"))
    assert not (folder / ".lock").exists()
    assert main(arguments) == 0
    assert record(folder)["status"] == "done"


def test_the_background_writer_names_its_file(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x.ckpt", tmp_path / ("x" * 300)):
        writer = BackgroundCheckpointIO()
        writer.save_checkpoint({}, path)
        with pytest.raises(OSError, match=r".") as caught:
            writer.teardown()
        assert str(tmp_path) in str(caught.value.filename)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "a/b: No space left on device (make room"),
        (OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"), "a -> b: Invalid cross-device link"),
        (OSError("a file is truncated"), "a file is truncated"),
        (
            OSError("Caught OSError in worker 0.\nOriginal Traceback (most recent call last):\nOSError: no"),
            "OSError: no",
        ),
        (OSError(), "OSError"),
    ],
)
def test_sentence(error, said):
    assert sentence(error).startswith(said)
    assert "\n" not in sentence(error)


def test_writing_names_a_nameless_error_only():
    with pytest.raises(OSError, match="No space") as caught, writing("place"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "place")
    with pytest.raises(FileNotFoundError) as caught, writing("place"):
        Path("/nowhere/at all").read_text()
    assert caught.value.filename == "/nowhere/at all"
