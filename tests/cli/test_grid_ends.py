"""However a grid ends, its jobs end with it; what it shows with --show, it does not train."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from snnbench.cli import jobs
from snnbench.cli.main import main
from snnbench.cli.queue import Job, Queue, run_queue
from snnbench.train import signals
from tests.train.conftest import SMALL, record


def sleeper(arguments):
    """A job that writes into a file that it started and how it ended."""
    place = Path(arguments[1])
    with signals.obeyed():
        place.write_text("started")
        try:
            time.sleep(60)
        except SystemExit as stop:
            time.sleep(0.2)  # writing a record takes a while
            place.write_text(f"ended {stop.code}")
            raise


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not get so far"
        time.sleep(0.02)


def text(path):
    return path.read_text() if path.exists() else ""


def queue_of(places, program, monkeypatch):
    """A queue whose jobs call `program(["bench", place])` in their own processes."""
    monkeypatch.setattr(jobs, "run_program", program)  # a fork has it too
    return Queue([Job(["bench", str(place)], runs=str(places[0].parent / "runs")) for place in places])


@pytest.fixture
def fork():
    """Call a function in a fork of this process; returns the fork's number, and kills it after the test."""
    started = []

    def _fork(function):
        if (number := os.fork()) == 0:
            try:
                function()
            finally:
                os._exit(1)
        started.append(number)
        return number

    yield _fork
    for number in started:
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_grid_that_is_told_to_end_waits_for_its_jobs(number, tmp_path, monkeypatch):
    places, start = [tmp_path / str(job) for job in range(4)], jobs.start

    def start_and_strike(arguments, log, gpu):
        process, place = start(arguments, log, gpu), Path(arguments[1])
        wait_until(lambda: text(place) == "started")
        if place.name == "1":
            os.kill(os.getpid(), number)
        return process

    monkeypatch.setattr(jobs, "start", start_and_strike)
    with pytest.raises(SystemExit) as stop, signals.obeyed():
        run_queue(queue_of(places, sleeper, monkeypatch), [None, None])
    assert stop.value.code == 128 + number
    assert text(tmp_path / "0") == "ended 143"
    assert not (tmp_path / "2").exists()
    assert text(tmp_path / "1") == "ended 143"  # the signal came while this one was started


def test_a_grid_that_is_killed_takes_all_its_jobs_along(tmp_path, monkeypatch, fork):
    places = [tmp_path / str(job) for job in range(3)]
    queue = queue_of(places, sleeper, monkeypatch)
    grid = fork(lambda: run_queue(queue, [None] * 3))
    wait_until(lambda: all(text(place) == "started" for place in places))
    os.kill(grid, signal.SIGKILL)
    wait_until(lambda: all(text(place) == "ended 143" for place in places), seconds=10)


@pytest.mark.parametrize("goes_on", [True, False], ids=["a fork", "Python anew"])
def test_a_job_does_what_the_command_does(goes_on, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(jobs, "_forks_go_on", lambda: goes_on)
    process = jobs.start(["list", "neurons"], tmp_path / "log", None)
    process.join()
    assert process.exitcode == 2
    assert "snnbench: 'neurons'" in (tmp_path / "log").read_text()
    assert capfd.readouterr() == ("", "")


def test_a_job_sees_its_gpu_alone(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(jobs, "run_program", lambda arguments: print(os.environ["CUDA_VISIBLE_DEVICES"]))
    processes = [jobs.start(["bench"], tmp_path / name, name) for name in ("2", "5")]
    for process in processes:
        process.join()
    assert [(tmp_path / name).read_text() for name in ("2", "5")] == ["2\n", "5\n"]
    assert capfd.readouterr() == ("", "")


def test_codes_of_jobs_that_fail_are_told(tmp_path, monkeypatch, capsys):
    def program(arguments):
        print("its last words")
        if arguments[1].endswith("killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        sys.exit(arguments[1].endswith("failed"))

    places = [tmp_path / name for name in ("good", "failed", "killed")]
    queue = queue_of(places, program, monkeypatch)
    run_queue(queue, [None])
    assert [job.arguments[1] for job in queue.failed] == [str(place) for place in places[1:]]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["exit", "1"], ["exit", "-9"]]
    assert lines[0].startswith("ok ")
    assert all(line.endswith("its last words") for line in lines[:2])


def test_nothing_that_a_grid_imports_asks_for_cuda():
    """A process that has asked for CUDA gives no fork a GPU."""
    program = """
import sys, torch
asked = []
for place in (torch.cuda, torch._C):
    for name in ("is_available", "device_count", "_lazy_init", "_cuda_init", "_cuda_getDeviceCount"):
        if hasattr(place, name):
            setattr(place, name, lambda *_, name=name: asked.append(name) or 0)
from snnbench.cli import jobs
from snnbench.config.compose import compose
jobs.preload(compose(["data=digits"]).config)
assert {"lightning", "snnbench.train.run", "snnbench.data.digits"} <= sys.modules.keys()
sys.exit(f"asked for {asked}" if asked else 0)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_killed_grid_starts_again(tmp_path, fork):
    """The whole of it, once: kill -9, and at once the same command."""
    command = ["train", "-m", *SMALL, "seed=0", "train.epochs=8", f"paths.runs={tmp_path}", "--jobs", "1"]
    jobs.preload({})  # once for both
    grid = fork(lambda: main(command))
    wait_until(lambda: list(tmp_path.rglob("last.ckpt")))
    os.kill(grid, signal.SIGKILL)
    assert main(command) == 0
    assert [record(path.parent)["status"] for path in tmp_path.rglob("run.json")] == ["done"]


def test_show_of_a_grid_trains_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(jobs, "start", lambda *_: pytest.fail("a job was started"))
    grid = ["seed=0,1", "neuron=if,lif", "optimizer.lr=0.125", f"paths.runs={tmp_path / 'runs'}"]
    assert main(["train", "-m", "--show", *SMALL[:3], *grid]) == 0
    shown = capsys.readouterr().out
    shared, *each = shown.split("# job ")
    assert "lr: 0.125" in shared
    assert len(each) == 4
    assert all("lr: 0.125" not in job and f"{tmp_path}/runs/digits" in job for job in each)
    assert "seed: 1" in each[-1]
    assert "snnbench.neurons.lif.LIF" in each[-1]
    assert not (tmp_path / "runs").exists()
