"""A small real run through the command line: digits, a tiny residual net, a few seconds."""

import json
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path
from unittest import mock

import pytest

from snnbench.cli import jobs

# 8 channels: oneDNN 3.12 corrupts memory in weight gradients of strided 1x1 convolutions of fewer (AVX2, one thread)
SMALL = [
    "model=spiking_resnet_tiny", "model.widths=[8,8,8]", "T=2", "neuron=lif_tet", "train.batch_size=120",
    "optimizer.lr=0.1", "measure.samples=16", "train.accelerator=cpu",
]  # fmt: skip


@pytest.fixture(scope="session")
def small() -> list[str]:
    return SMALL


@pytest.fixture
def start(tmp_path):
    """Start `snnbench train` in a process of its own, a fork of this one; returns the process and what it prints.

    environment: variables of its own. A fork spares the imports; that a new Python does the same is what
    tests/cli/test_grid_ends.py and tests/config/test_wheel.py see.
    """
    started = []
    jobs.preload({})

    def _start(*overrides: str, **environment: str) -> tuple[BaseProcess, Path]:
        log = tmp_path / "logs" / f"{len(started)}.txt"
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell lets what it starts with & ignore it
        with mock.patch.dict(os.environ, environment):
            process = jobs.start(["train", *SMALL, *overrides], log, None)
        signal.signal(signal.SIGINT, before)
        started.append(process)
        return process, log

    yield _start
    jobs.end([process for process in started if process.exitcode is None])


@pytest.fixture
def cut_off(monkeypatch):
    """`cut_off(command, epochs)` runs a command that dies after so many epochs; the same command then goes on."""
    from snnbench.cli.main import main
    from snnbench.train.task import Task

    def _cut_off(command: list[str], epochs: int = 1) -> None:
        begin = Task.on_train_epoch_start

        def die(self):
            if self.current_epoch == epochs:
                raise RuntimeError("the power fails")
            begin(self)

        with monkeypatch.context() as patch:
            patch.setattr(Task, "on_train_epoch_start", die)
            with pytest.raises(RuntimeError, match="the power fails"):
                main(command)

    return _cut_off


def only_run(root: Path) -> Path:
    """The one run folder below `root`."""
    (found,) = root.rglob("run.json")
    return found.parent


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())
