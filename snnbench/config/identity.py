"""Which run a configuration is: its hashes, its name and its folder. Torch-free."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path

# What changes where or how a run is watched, but not its result.
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
    "train.ckpt_path",
    "train.devices",
    "train.accelerator",
    "train.eval_batch_size",
    "train.eval_every",
)


# What changes a run only where it says something: an empty value is as if the key were not there.
EMPTY_IS_ABSENT = ("data.accept_md5", "rule.steps")

# What makes a repetition of a run: the generator's seed and the split it goes with.
REPETITION = ("seed", "data.fold", "data.split_seed")


def recipe_hash(config: dict) -> str:
    """Hash of everything that shapes the result but seed and fold: runs that share it repeat each other."""
    config = _without(config, (*VOLATILE, *REPETITION))
    if (config.get("teacher") or {}).get("identity"):  # teachers of one recipe teach repetitions of one run
        config["teacher"]["identity"] = config["teacher"]["identity"].split()[0]
    return _digest(config)


def config_hash(config: dict) -> str:
    """Hash of everything that shapes the result, and of the reference path if that was asked for.

    Both belong to one recipe, but who asks for the reference path wants a run of its own beside the fused one.
    """
    path = {"kernels": "reference"} if config.get("kernels") == "reference" else {}
    return _digest(_without(config, VOLATILE) | path)


def deviations(config: dict, recipe: dict) -> dict[str, list]:
    """What a run changed in its experiment's recipe: {key: [recipe's value, run's value]}; length and seeds aside."""
    aside = (*VOLATILE, *REPETITION, *EMPTY_IS_ABSENT, "train.epochs", "teacher.identity")  # the record names a copy
    ours, theirs = (_flat(_without(c, aside)) for c in (config, recipe))
    return {k: [theirs.get(k), ours.get(k)] for k in sorted(ours | theirs) if ours.get(k) != theirs.get(k)}


def run_name(config: dict, choices: dict) -> str:
    if config.get("name"):
        return config["name"]
    if choices.get("experiment"):
        return choices["experiment"]
    return "-".join(str(choices[axis]) for axis in ("data", "model")) + f"-{choices.get('method') or choices['rule']}"


def run_dir(config: dict, choices: dict) -> Path:
    """The folder of this run: the same configuration and seed always find the same one."""
    return Path(config["paths"]["runs"]) / run_name(config, choices) / f"{config_hash(config)}-s{config['seed']}"


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


def _flat(node: dict, prefix: str = "") -> dict:
    flat: dict = {}
    for key, value in node.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _digest(config: dict) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:10]
