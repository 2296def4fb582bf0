"""A small real run through the command line: digits, a tiny residual net, a few seconds."""

import json
import os
import signal
import socket
from multiprocessing.process import BaseProcess
from pathlib import Path
from unittest import mock

import pytest
import torch

from snnbench.cli import jobs
from snnbench.cli.main import main

# 8 channels: oneDNN 3.12 corrupts memory in weight gradients of strided 1x1 convolutions of fewer (AVX2, one thread)
SMALL = [
    "model=spiking_resnet_tiny", "model.widths=[8,8,8]", "T=2", "neuron=lif_tet", "train.batch_size=120",
    "optimizer.lr=0.1", "measure.samples=16", "train.accelerator=cpu",
]  # fmt: skip
DSPIKE = ["method=dspike", "norm=bn", "encoder=poisson", "norm.momentum=1.0", "neuron.v_th=0.5", "rule.weights=6",
          "rule.samples=16", "rule.eps=0.05", "rule.db=0.5"]  # fmt: skip


@pytest.fixture(scope="session")
def small() -> list[str]:
    return SMALL


@pytest.fixture
def fork(tmp_path):
    """Start `snnbench <arguments>` in a process of its own, a fork of this one; returns the process and what it prints.

    environment: variables of its own. A fork spares the imports; that a new Python does the same is what
    tests/cli/test_grid_ends.py and tests/config/test_wheel.py see.
    """
    started = []
    jobs.preload({})

    def _fork(*arguments: str, **environment: str) -> tuple[BaseProcess, Path]:
        log = tmp_path / "logs" / f"{len(started)}.txt"
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell lets what it starts with & ignore it
        with mock.patch.dict(os.environ, environment):
            process = jobs.start(list(arguments), log, None)
        signal.signal(signal.SIGINT, before)
        started.append(process)
        return process, log

    yield _fork
    jobs.end([process for process in started if process.exitcode is None])


@pytest.fixture
def start(fork):
    """Start `snnbench train` with the small network in a process of its own."""
    return lambda *overrides, **environment: fork("train", *SMALL, *overrides, **environment)


@pytest.fixture
def in_two_processes(fork):
    """Run a command in two processes that are one run, with the environment that torchrun gives; what each printed."""

    def _in_two_processes(*arguments: str) -> list[str]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        common = {"TORCHELASTIC_RUN_ID": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0",
                  "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
        pair = [fork(*arguments, **common, RANK=rank, LOCAL_RANK=rank) for rank in "01"]
        for process, _ in pair:
            process.join(150)
        printed = [log.read_text() for _, log in pair]
        assert [process.exitcode for process, _ in pair] == [0, 0], printed
        return printed

    return _in_two_processes


@pytest.fixture
def cut_off(monkeypatch):
    """`cut_off(command, epochs)` runs a command that dies after so many epochs; the same command then goes on."""
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


def weights(root: Path, checkpoint: str = "last") -> dict[str, torch.Tensor]:
    """The tensors in this checkpoint of the one run below `root`."""
    return torch.load(only_run(root) / "checkpoints" / f"{checkpoint}.ckpt", weights_only=True)["state_dict"]


def assert_same_weights(root: Path, other: Path, checkpoint: str = "last") -> None:
    """These checkpoints of the one run below each folder hold the same bits."""
    expected, found = weights(root, checkpoint), weights(other, checkpoint)
    assert expected.keys() == found.keys()
    assert not [key for key in expected if not torch.equal(expected[key], found[key])]


def tree(folder: Path) -> dict[Path, bytes]:
    """Every file below `folder` with its content; lock files are empty and may stay."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".lock", ".pyc"))
    return {path.relative_to(folder): path.read_bytes() for path in files}


def assert_refused(command: list[str], hint: str, place: Path, capsys) -> None:
    """The command ends with code 2 and one sentence that has `hint`; `place` stays as it is."""
    before = tree(place)
    capsys.readouterr()
    assert main(command) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("snnbench: ")
    assert hint in line
    assert tree(place) == before


def changed(command: list[str], overrides: list[str]) -> list[str]:
    """The command with these overrides in the place of those of the same keys ("~key": without it)."""
    replaced = {override.lstrip("~").split("=")[0] for override in overrides}
    kept = [part for part in command if part.split("=")[0] not in replaced]
    return kept + [override for override in overrides if not override.startswith("~")]


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())
