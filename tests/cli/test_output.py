"""What a command does when its output cannot be printed: `| head -1`, a full disk behind `>`, a lost terminal."""

import os
import subprocess
import sys

import pytest

from snnbench.cli.main import main
from snnbench.config.paths import results_dir
from snnbench.records import load_record, write_record
from snnbench.train.epochs import COLUMNS
from tests.tables.records_of import record as make_record
from tests.train.conftest import SMALL, only_run, record


@pytest.fixture
def run_folder(tmp_path):
    folder = tmp_path / "run"
    write_record(folder / "run.json", make_record())
    (folder / "metrics.csv").write_text(",".join(COLUMNS) + "\n1" + ",2.0" * (len(COLUMNS) - 1) + "\n")
    return folder


def commands(folder):
    return {
        "help": ["--help"],
        "version": ["--version"],
        "list": ["list"],
        "list experiment": ["list", "experiment"],
        "train --help": ["train", "--help"],
        "plot": ["plot", f"run={folder}"],
        "keep": ["keep", f"run={folder}", f"out={folder.parent}/kept"],
        "tables": ["tables", f"records={folder}", f"out={folder.parent}/tables"],
        "data": ["data", "prepare", "cifar10", f"root={folder.parent}/data"],
        "bench": ["bench", "render=true", f"out={folder.parent}/bench"],
    }


NAMES = list(commands(results_dir()))


def closed_pipe():
    """A text stream on a pipe that nobody reads, buffered as Python buffers standard output."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


@pytest.mark.parametrize("name", NAMES)
def test_a_closed_pipe_ends_a_command_quietly(name, run_folder, monkeypatch, capsys):
    if name == "bench":
        (run_folder.parent / "bench").mkdir()
        (run_folder.parent / "bench" / "kernels.csv").write_text("")
        monkeypatch.setattr("snnbench.cli.bench._render", lambda out: print("x") or 0)
    with closed_pipe() as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        code = main(commands(run_folder)[name])
    assert code in (0, 141)
    assert code == 141 or name == "data"  # which speaks on stderr
    assert "Broken pipe" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["version", "list experiment", "train --help"])
def test_a_full_disk_behind_the_output_is_one_sentence(name, run_folder, monkeypatch, capsys):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(commands(run_folder)[name]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the output cannot be written" in line
    assert "No space left" in line


def test_the_interpreter_has_nothing_to_add(tmp_path):
    """A real process: its last flush, and a start without any standard stream."""
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run([sys.executable, "-m", "snnbench", "list"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, b"")
    code = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m snnbench train --show paths.runs={tmp_path} <&- >&- 2>&-"]
    ).returncode
    assert code == 0


@pytest.mark.parametrize("kind", ["closed pipe", "full disk", "none"])
def test_a_training_goes_on_without_its_output(kind, tmp_path, monkeypatch):
    kinds = {"closed pipe": closed_pipe, "full disk": lambda: open("/dev/full", "w"), "none": lambda: None}  # noqa: SIM115
    stream = kinds[kind]()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    code = main(["train", *SMALL, "train.epochs=1", "train.limit_train_batches=2", f"paths.runs={tmp_path}"])
    assert code == 0
    assert record(only_run(tmp_path))["status"] == "done"
    assert load_record(only_run(tmp_path) / "run.json").acc_last is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pl\not"], r"'pl\not' is no command"),
        (["eval", "run=a\nb"], r"record a\nb/run.json cannot be read"),
        *((["plot", f"run=a{bad}b"], "has control characters") for bad in ("\n", "\0", "\x1b[31m", "\udcff")),
        (["tables", "out=a\0b"], "has control characters"),
    ],
)
def test_control_characters_of_an_argument_make_no_second_line(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line
    assert not list(tmp_path.iterdir())
