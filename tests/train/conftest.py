"""A small real run through the command line: digits, a tiny residual net, a few seconds."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# 8 channels: oneDNN 3.12 corrupts memory in weight gradients of strided 1x1 convolutions of fewer (AVX2, one thread)
SMALL = [
    "model=spiking_resnet_tiny", "model.widths=[8,8,8]", "T=2", "neuron=lif_tet", "train.batch_size=120",
    "optimizer.lr=0.1", "measure.samples=16", "train.accelerator=cpu",
]  # fmt: skip


@pytest.fixture(scope="session")
def small() -> list[str]:
    return SMALL


@pytest.fixture(scope="session")
def start():
    """Start `snnbench train` (or another launcher's command line) as a user would; returns the Popen."""

    def _start(*overrides: str, launcher=(sys.executable,), **kwargs) -> subprocess.Popen:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [*launcher, "-m", "snnbench", "train", *SMALL, *overrides],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
            preexec_fn=obey_ctrl_c, **kwargs,
        )  # fmt: skip

    return _start


def obey_ctrl_c() -> None:
    """A shell lets what it starts with & ignore SIGINT, and every child of that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def only_run(root: Path) -> Path:
    """The one run folder below `root`."""
    (found,) = root.rglob("run.json")
    return found.parent


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())
