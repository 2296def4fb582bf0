"""SIGTERM, Ctrl-C and SIGHUP at any moment: the exit code says it, the record says it, the same command goes on."""

import os
import signal
import subprocess
import sys
import time

import pytest

from snnbench.cli.main import main
from snnbench.records import load_record
from snnbench.train import background, run, signals, task
from tests.train.conftest import only_run, record

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# where the signal comes: the owner and name of a function that runs then, and whether a record exists already
MOMENTS = {
    "data set-up": (run, "build_data", False),
    "the first record": (run, "write", True),
    "a batch": (task.Task, "training_step", True),
    "a test batch": (task.Task, "validation_step", True),
    "a checkpoint": (background, "_write", True),
    "counting operations": (run, "measures", True),
}


def arguments(small, root):
    return ["train", *small, "train.epochs=2", "train.limit_train_batches=2", f"paths.runs={root}"]


def strike(monkeypatch, owner, name, number, swallowed=False):
    """Send `number` to this process when `name` is called for the first time."""
    function = getattr(owner, name)
    struck = []

    def first(*args, **kwargs):
        if not struck:
            struck.append(True)
            try:
                os.kill(os.getpid(), number)
                time.sleep(0)  # the handler runs between two instructions of the main thread
            except SystemExit:
                if not swallowed:
                    raise
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, first)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_at_any_moment(moment, number, small, tmp_path, monkeypatch, capsys):
    owner, name, is_recorded = MOMENTS[moment]
    with monkeypatch.context() as patch:
        strike(patch, owner, name, number)
        assert main(arguments(small, tmp_path / "runs")) == 128 + number
    assert "Traceback" not in capsys.readouterr().err
    if not is_recorded:
        assert not (tmp_path / "runs").exists()
        return
    if moment != "the first record":
        found = record(only_run(tmp_path))
        assert (found["status"], found["error"]) == ("interrupted", f"stopped by {number.name}")
    if number == signal.SIGTERM:  # the same command goes on
        assert main(arguments(small, tmp_path / "runs")) == 0
        assert load_record(only_run(tmp_path) / "run.json").status == "done"


def test_a_signal_during_the_last_write_leaves_it_whole(small, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        strike(patch, run, "describe_device", signal.SIGTERM)  # its second call: the record of the end
        calls, function = [], run.describe_device

        def second(trainer):
            calls.append(trainer)
            return function(trainer) if len(calls) > 1 else {}

        patch.setattr(run, "describe_device", second)
        assert main(arguments(small, tmp_path)) == 143
    assert record(only_run(tmp_path))["status"] == "done"


def test_a_swallowed_signal_still_ends_the_run(small, tmp_path, monkeypatch):
    """Python swallows exceptions in finalisers and callbacks; then the next batch sees that a signal came."""
    strike(monkeypatch, task.Task, "training_step", signal.SIGTERM, swallowed=True)
    assert main(arguments(small, tmp_path)) == 143
    assert record(only_run(tmp_path))["status"] == "interrupted"


def test_an_ignored_signal_stays_ignored():
    """nohup: a run outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.obeyed():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signals.stopped_by() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_only_the_first_signal_raises_and_handlers_come_back():
    before = [signal.getsignal(number) for number in NUMBERS]

    def two() -> None:
        with signals.obeyed():
            try:
                os.kill(os.getpid(), signal.SIGHUP)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as stop:
        two()
    assert stop.value.code == 129
    assert [signal.getsignal(number) for number in NUMBERS] == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_while_modules_are_imported(number, tmp_path):
    """From the first line of ours on. Earlier, Python itself starts."""
    program = "import sys; import snnbench.__main__ as start; print('go', flush=True); sys.exit(start.run())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "train", f"paths.runs={tmp_path}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode in (128 + number, -number)
    assert "Traceback" not in error
