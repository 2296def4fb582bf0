"""Who, what, where: the part of a run's record that is known before it trains."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from lightning.pytorch.utilities import rank_zero_only

from snnbench import __version__
from snnbench.axes import AXES
from snnbench.config import identity
from snnbench.config.compose import Composed, recipe_of
from snnbench.config.paths import repository
from snnbench.errors import ConfigError
from snnbench.records import write_record


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_record(composed: Composed, data, model, teacher=None) -> dict:
    """The record of a run that starts now."""
    config, choices = composed.config, composed.choices
    recipe = recipe_of(choices["experiment"]) if choices["experiment"] else composed
    commit, dirty = git_state()
    return {
        "run_id": f"{identity.config_hash(config)}-s{config['seed']}",
        "status": "running",
        "name": identity.run_name(config, choices),
        "experiment": choices["experiment"],
        "reproduces": config["reproduces"],
        "choices": {axis: choice for axis, choice in choices.items() if choice is not None},
        "config": config,
        "config_hash": identity.config_hash(config),
        "recipe_hash": identity.recipe_hash(config),
        "seed": config["seed"],
        "time_steps": config["T"],
        "git_commit": commit,
        "git_dirty": dirty,
        "data": data.describe() | {"name": choices["data"], "data_hash": data.data_hash, "split_hash": data.split_hash},
        "versions": versions(),
        "teacher": teacher.about if teacher is not None else {},
        "deviations": deviations(composed, recipe) | _other_teacher(config, teacher),
        "epochs_planned": recipe.config["train"]["epochs"],
        "parameters": sum(p.numel() for p in model.parameters()),
        "started": now(),
        "command": "snnbench " + shlex.join(sys.argv[1:]),
    }


def deviations(composed: Composed, recipe: Composed) -> dict[str, list]:
    """What a run changed in its experiment's recipe: {axis or key: [recipe's, run's]}; see `identity.deviations`.

    Another component counts once, by its axis; its values count where they are not what the recipe gives it. A method
    counts by the components and values that it changed.
    """
    pairs = {axis: [recipe.choices[axis], composed.choices[axis]] for axis in AXES}
    swapped = {axis: pair for axis, pair in pairs.items() if pair[0] != pair[1]}
    config = recipe.config
    if swapped:
        chosen = [f"{axis}={choice or 'null'}" for axis, (_, choice) in swapped.items()]
        # where only the run's own values make the components fit each other, all that differs is listed
        with suppress(ConfigError):
            config = recipe_of(composed.choices["experiment"], *chosen).config
    return swapped | identity.deviations(composed.config, config)


def _other_teacher(config: dict, teacher) -> dict:
    """A teacher of another recipe than the one asked for is a deviation too."""
    wanted = config["teacher"]["experiment"] if teacher is not None else None
    if wanted is None or teacher.about["experiment"] == wanted:
        return {}
    return {"teacher.experiment": [wanted, teacher.about["experiment"] or teacher.about["name"]]}


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
