"""The part of a run's record that is known before training: configuration, code, machine and data."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from lightning.pytorch.utilities import rank_zero_only

from snnbench import __version__
from snnbench.config.paths import repository
from snnbench.records import write_record
from snnbench.train.plan import Plan


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_record(plan: Plan, data, model, teacher=None) -> dict:
    """The record of a run that starts now."""
    config, choices, identity = plan.config, plan.composed.choices, plan.identity
    commit, dirty = git_state()
    return {
        "run_id": identity.run_id,
        "status": "running",
        "name": identity.name,
        "experiment": choices["experiment"],
        "reproduces": config["reproduces"],
        "choices": {axis: choice for axis, choice in choices.items() if choice is not None},
        "config": config,
        "config_hash": identity.config_hash,
        "recipe_hash": identity.recipe_hash,
        "seed": config["seed"],
        "time_steps": config["T"],
        "git_commit": commit,
        "git_dirty": dirty,
        "data": data.describe() | {"name": choices["data"], "data_hash": data.data_hash, "split_hash": data.split_hash},
        "versions": versions(),
        "teacher": teacher.about if teacher is not None else {},
        "deviations": plan.deviations,
        "epochs_planned": plan.recipe.config["train"]["epochs"],
        "best_on": plan.best_on,
        "parameters": sum(p.numel() for p in model.parameters()),
        "started": now(),
        "command": "snnbench " + shlex.join(sys.argv[1:]),
    }


def versions() -> dict:
    return {
        "snnbench": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning": version("lightning"),
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
    }


def describe_device(trainer) -> dict:
    cuda = trainer.strategy.root_device.type == "cuda"
    if cuda:
        properties = torch.cuda.get_device_properties(trainer.strategy.root_device)
        name, memory = properties.name, properties.total_memory / 2**20
    else:
        name, memory = cpu_name(), None
    return {
        "name": name,
        "count": trainer.world_size,
        "memory_mb": memory,
        "precision": str(trainer.precision),
        "threads": torch.get_num_threads(),
    }


def git_state() -> tuple[str | None, bool | None]:
    """Commit of the checkout that runs and whether it holds uncommitted changes; (None, None) outside git."""
    root = repository()
    if root is None:
        return None, None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        stamp = root / ".commit"  # a copy without git history may carry its commit in a file
        return (stamp.read_text().strip(), None) if stamp.exists() else (None, None)


@rank_zero_only
def write(run_dir: Path, record: dict) -> None:
    write_record(run_dir / "run.json", record)


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
