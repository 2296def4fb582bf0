"""However a grid ends, its jobs end with it; what it shows with --show, it does not train."""

import os
import signal
import subprocess
import sys
import time

import pytest

from snnbench.cli import jobs
from snnbench.cli.main import main
from snnbench.cli.show import own_part, shared_part
from snnbench.train import signals
from tests.train.conftest import SMALL, obey_ctrl_c, record

CHILD = """
import signal, sys, time
from pathlib import Path
from snnbench.cli.jobs import end_with_grid
from snnbench.train.signals import obeyed
place = Path(sys.argv[1])
with obeyed():
    end_with_grid()
    place.write_text("started")
    try:
        time.sleep(60)
    except SystemExit as stop:
        time.sleep(0.2)  # writing a record takes a while
        place.write_text(f"ended {stop.code}")
"""
GRID = """
import subprocess, sys, time
process = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], stdin=subprocess.PIPE)
print(process.pid, flush=True)
time.sleep(60)
"""


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not get so far"
        time.sleep(0.02)


def text(path):
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_grid_that_is_told_to_end_waits_for_its_jobs(number, tmp_path, monkeypatch):
    def start(job, gpu):
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(job)], stdin=subprocess.PIPE, env=os.environ | {jobs.IN_GRID: "1"}
        )
        wait_until(lambda: text(job) == "started")
        if job.name == "1":
            os.kill(os.getpid(), number)
        return process

    monkeypatch.setattr(jobs, "_start", start)
    monkeypatch.setattr(jobs, "_report", lambda job, code: None)
    with pytest.raises(SystemExit) as stop, signals.obeyed():
        jobs.run_jobs([tmp_path / str(job) for job in range(4)], [None, None])
    assert stop.value.code == 128 + number
    assert text(tmp_path / "0") == "ended 143"
    assert not (tmp_path / "2").exists()
    assert text(tmp_path / "1") == "ended 143"  # the signal came while this one was started


def test_a_grid_that_is_killed_takes_its_jobs_along(tmp_path):
    place = tmp_path / "job"
    grid = subprocess.Popen([sys.executable, "-c", GRID, CHILD, str(place)], env=os.environ | {jobs.IN_GRID: "1"})
    wait_until(lambda: text(place) == "started")
    grid.kill()
    grid.wait()
    wait_until(lambda: text(place) == "ended 143", seconds=10)


def test_a_killed_grid_starts_again(tmp_path):
    """The whole of it, once: kill -9, and at once the same command."""
    command = [
        sys.executable, "-m", "snnbench", "train", "-m", *SMALL, "seed=0", "train.epochs=8", f"paths.runs={tmp_path}",
        "--jobs", "1",
    ]  # fmt: skip
    grid = subprocess.Popen(command, preexec_fn=obey_ctrl_c, stdout=subprocess.DEVNULL)
    wait_until(lambda: list(tmp_path.rglob("last.ckpt")))
    grid.kill()
    grid.wait()
    again = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert again.returncode == 0, again.stdout + again.stderr
    assert [record(path.parent)["status"] for path in tmp_path.rglob("run.json")] == ["done"]


def test_show_of_a_grid_trains_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(jobs, "_start", lambda *_: pytest.fail("a job was started"))
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


def test_parts_make_the_whole():
    configs = [{"a": 1, "b": {"c": 2, "d": 3}, "e": 4}, {"a": 1, "b": {"c": 2, "d": 9, "f": None}, "e": {"g": 1}}]
    shared = shared_part(configs)
    assert shared == {"a": 1, "b": {"c": 2}}
    assert [own_part(config, shared) for config in configs] == [
        {"b": {"d": 3}, "e": 4}, {"b": {"d": 9, "f": None}, "e": {"g": 1}},
    ]  # fmt: skip
