"""The identity of a run: the hashes, the name and the folder that follow from its configuration. Needs no torch."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Keys that change where or how a run takes place or is observed, but not its result.
VOLATILE = (
    "name",
    "paths",
    "log",
    "measure",
    "kernels",  # another path to the same numbers, kept in the record's config
    "data.root",
    "data.num_workers",
    "data.resident",  # another path to the same distribution; the record tells which one a run took
    "teacher.run",  # who teaches is in teacher.identity
    "teacher.experiment",
    "start.run",  # whose weights a run starts from is in start.identity
    "start.experiment",
    "train.ckpt_path",
    "train.devices",
    "train.accelerator",
    "train.eval_batch_size",
    "train.eval_every",
)


# Keys whose empty value means the same as a missing key.
EMPTY_IS_ABSENT = ("data.accept_md5", "rule.steps")

# Keys that differ between repetitions of one run: the random seed and the data split.
REPETITION = ("seed", "data.fold", "data.split_seed")


def recipe_hash(config: dict) -> str:
    """Hash of everything that shapes the result but seed and fold: runs that share it repeat each other."""
    config = _without(without_idle_start(config), (*VOLATILE, *REPETITION))
    for section in ("teacher", "start"):  # runs of one recipe teach, or start, repetitions of one run
        if (config.get(section) or {}).get("identity"):
            config[section]["identity"] = config[section]["identity"].split()[0]
    return _digest(config)


def config_hash(config: dict) -> str:
    """Hash of everything that shapes the result, and of the reference path if that was asked for.

    Both belong to one recipe, but who asks for the reference path wants a run of its own beside the fused one.
    """
    path = {"kernels": "reference"} if config.get("kernels") == "reference" else {}
    return _digest(_without(without_idle_start(config), VOLATILE) | path)


def deviations(config: dict, recipe: dict) -> dict[str, list]:
    """What a run changed in its experiment's recipe: {key: [recipe's value, run's value]}; length and seeds aside."""
    # the record itself names a copy of the data and the runs that weights come from
    aside = (*VOLATILE, *REPETITION, *EMPTY_IS_ABSENT, "train.epochs", "teacher.identity", "start.identity")
    if not (_starts(config) or _starts(recipe)):
        config, recipe = without_idle_start(config), without_idle_start(recipe)
    ours, theirs = (dict(flat(_without(c, aside))) for c in (config, recipe))
    return {k: [theirs.get(k), ours.get(k)] for k in sorted(ours | theirs) if ours.get(k) != theirs.get(k)}


@dataclass(frozen=True)
class Identity:
    """Which run a configuration is, worked out once when it is composed.

    Args:
        name: the folder of its runs below `paths.runs`: its own name, else the experiment, else data-model-method.
        config_hash: see `config_hash`.
        recipe_hash: see `recipe_hash`.
        run_id: "<config hash>-s<seed>".
        folder: the folder of this run; the same configuration and seed always find the same one.
    """

    name: str
    config_hash: str
    recipe_hash: str
    run_id: str
    folder: Path


def identify(config: dict, choices: dict[str, str | None]) -> Identity:
    """The identity of a resolved configuration that was made by these choices."""
    name, whole = _name(config, choices), config_hash(config)
    run_id = f"{whole}-s{config['seed']}"
    return Identity(name, whole, recipe_hash(config), run_id, Path(config["paths"]["runs"]) / name / run_id)


def checkpoint_path(folder: str | Path, which: str) -> Path:
    """Where a run folder keeps a checkpoint; which: "last" or "best"."""
    return Path(folder) / "checkpoints" / f"{which}.ckpt"


def _name(config: dict, choices: dict) -> str:
    if config.get("name"):
        return config["name"]
    if choices.get("experiment"):
        return choices["experiment"]
    return "-".join(str(choices[axis]) for axis in ("data", "model")) + f"-{choices.get('method') or choices['rule']}"


def _starts(config: dict) -> bool:
    """Whether a configuration begins with the weights of another run."""
    start = config.get("start") or {}
    return start.get("run") is not None or start.get("experiment") is not None


def without_idle_start(config: dict) -> dict:
    """The configuration without the section `start` where no other run's weights are taken.

    Records that are older than the section lack it, so an idle one must not tell runs apart.
    """
    return config if _starts(config) else {key: value for key, value in config.items() if key != "start"}


def _without(config: dict, keys: tuple[str, ...]) -> dict:
    config = copy.deepcopy(config)
    for key in (*keys, *EMPTY_IS_ABSENT):
        *path, leaf = key.split(".")
        node = config
        for part in path:
            node = node.get(part, {})
        if key in keys or not node.get(leaf):
            node.pop(leaf, None)
    return config


def flat(node: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    """The values of nested dicts by their dotted keys: `{"a": {"b": 1}}` -> ("a.b", 1)."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _digest(config: dict) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:10]
