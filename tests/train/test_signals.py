"""SIGTERM, Ctrl-C and SIGHUP at any moment: the exit code says it, the record says it, the same command goes on."""

import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext, suppress

import pytest

from snnbench.cli.main import main
from snnbench.train import background, run, signals, task
from tests.train.conftest import only_run, record

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Where the signal comes: the owner and name of a function that runs then, which of its calls (negative: the exception
# that it raises there is lost, as in a finaliser), and the status in the record (None: there is no run yet).
MOMENTS = {
    "data set-up": (run, "build_data", 1, None),
    "the first record": (run, "write", 1, "running"),
    "a batch": (task.Task, "training_step", 1, "interrupted"),
    "a batch that swallows it": (task.Task, "training_step", -1, "interrupted"),
    "a test batch": (task.Task, "validation_step", 1, "interrupted"),
    "a checkpoint": (background, "_write", 1, "interrupted"),
    "counting operations": (run, "measures", 1, "interrupted"),
    "the last record": (run, "describe_device", 2, "done"),
}


def strike(monkeypatch, owner, name, call, number):
    """Send `number` to this process when `name` is called for this time."""
    function, calls = getattr(owner, name), []

    def struck(*args, **kwargs):
        calls.append(name)
        if len(calls) == abs(call):
            with suppress(SystemExit) if call < 0 else nullcontext():
                os.kill(os.getpid(), number)
                time.sleep(0)  # the handler runs between two instructions of the main thread
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, struck)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_at_any_moment(moment, number, small, tmp_path, monkeypatch, capsys):
    owner, name, call, status = MOMENTS[moment]
    command = ["train", *small, "train.epochs=2", "train.limit_train_batches=2", f"paths.runs={tmp_path / 'runs'}"]
    with monkeypatch.context() as patch:
        strike(patch, owner, name, call, number)
        assert main(command) == 128 + number
    assert "Traceback" not in capsys.readouterr().err
    if status is None:
        assert not (tmp_path / "runs").exists()
        return
    if moment != "the first record":
        found = record(only_run(tmp_path))
        assert (found["status"], found["error"]) == (status, None if status == "done" else f"stopped by {number.name}")
    if number == signal.SIGTERM:  # the same command goes on
        assert main(command) == 0
        assert record(only_run(tmp_path))["status"] == "done"


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
