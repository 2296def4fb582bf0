"""The changes that `snnbench eval` may make to a run's recorded configuration. Does not import torch.

They concern the test data and the device. The network is always the one that was trained.
"""

from __future__ import annotations

import copy
import hashlib
import re
from dataclasses import dataclass

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from snnbench.config.catalogue import options, path_of
from snnbench.config.check import check
from snnbench.config.compose import nearest, parse
from snnbench.config.identity import VOLATILE
from snnbench.errors import ConfigError
from snnbench.records import RunRecord

KEYS = ("T", "kernels", "paths.data", "train.accelerator", "train.devices", "train.eval_batch_size", "train.precision",
        "train.limit_test_batches")  # fmt: skip
SECTIONS = ("data", "measure")  # eval may change every key of these sections
TAKES = f"data=<name>, data.*, measure.*, {', '.join(KEYS)}"
LONGEST_NAME = 100


@dataclass(frozen=True)
class Evaluation:
    """The configuration to test (`config`, `choices`) and its `changes`, {key: [recorded value, new value]}."""

    config: dict
    choices: dict[str, str]
    changes: dict[str, list]

    def altering(self) -> dict[str, list]:
        """The changes that may alter the measured accuracy. The other changes only concern where it is measured."""
        return {key: pair for key, pair in self.changes.items() if not _is_volatile(key)}


def evaluation(record: RunRecord, overrides: list[str], where: str) -> Evaluation:
    """Apply overrides (`key=value`, as for `snnbench train`) to a recorded configuration.

    Args:
        record: The record of the run.
        overrides: The overrides as typed.
        where: The file of the record, for error messages.

    Raises:
        ConfigError: An override is invalid or would change the network, or the configuration cannot work.
    """
    try:
        check(record.config, record.choices)
    except ConfigError as error:
        raise ConfigError(f"{where} holds no configuration that can be run: {error}") from None
    config, choices = copy.deepcopy(record.config), dict(record.choices)
    parsed = parse(overrides)
    for override in parsed:
        _refuse(override, config)
    for override in sorted(parsed, key=_order):
        _apply(override, config, choices)
    check(config, choices)
    changes = {override.key_or_group: _change(override.key_or_group, record, config, choices) for override in parsed}
    return Evaluation(config, choices, {key: pair for key, pair in changes.items() if pair[0] != pair[1]})


def file_name(changes: dict[str, object]) -> str:
    """The file name for changes: {"T": 8, "data.fold": 1} gives eval-T8-fold1.json, and {} gives eval.json."""
    if not changes:
        return "eval.json"
    name = "-".join(f"{key.split('.')[-1]}{_word(value)}" for key, value in sorted(changes.items()))
    if len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME]}-{_digest(name)}"
    return f"eval-{name}.json"


def _refuse(override: Override, config: dict) -> None:
    text, key = override.input_line, override.key_or_group
    if override.is_sweep_override():
        raise ConfigError(f"'{text}' names several values: eval tests once, so give one of them")
    if override.is_delete() or override.is_add() or override.is_force_add():
        raise ConfigError(f"'{text}': eval changes values of the recorded configuration; write key=value")
    section, _, rest = key.partition(".")
    if key in ("data", *KEYS) or (rest and section in SECTIONS):
        if key == "data" and override.value() not in options("data"):
            raise ConfigError(
                f"data={override.value()} does not exist; {nearest(str(override.value()), options('data'))}"
            )
        if key == "train.devices" and override.value() != 1:
            raise ConfigError(f"'{text}': eval runs in one process on one device; leave train.devices out")
        return
    if section in config and (not rest or (isinstance(config[section], dict) and rest in config[section])):
        raise ConfigError(f"'{text}' would be another network or training than the recorded one; eval takes {TAKES}")
    known = [*KEYS, *(f"{name}.{leaf}" for name in SECTIONS for leaf in config[name] if leaf != "_target_")]
    raise ConfigError(f"'{text}': there is no key {key}; {nearest(key, known)} (eval takes {TAKES})")


def _order(override: Override) -> int:
    """The sort key that applies a new data set before single values of it."""
    return ("paths.data", "data").index(override.key_or_group) if override.key_or_group in ("paths.data", "data") else 2


def _apply(override: Override, config: dict, choices: dict[str, str]) -> None:
    key, value = override.key_or_group, override.value()
    if key == "data":
        node = OmegaConf.load(path_of("data", value))
        node.pop("defaults", None)
        together = OmegaConf.create({"paths": config["paths"], "data": node})
        config["data"] = OmegaConf.to_container(together, resolve=True)["data"]
        choices["data"] = value
        return
    if key == "paths.data":
        config["data"]["root"] = value
    *path, leaf = key.split(".")
    node = config
    for part in path:
        node = node.get(part) if isinstance(node, dict) else None
    if not isinstance(node, dict) or leaf == "_target_":
        raise ConfigError(f"'{override.input_line}': there is no key {key}; eval takes {TAKES}")
    node[leaf] = value


def _change(key: str, record: RunRecord, config: dict, choices: dict[str, str]) -> list:
    if key == "data":
        return [record.choices.get("data"), choices["data"]]
    return [_at(record.config, key), _at(config, key)]


def _at(node: dict, key: str) -> object:
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _is_volatile(key: str) -> bool:
    """True if the key changes where or how a run is computed, but not its result."""
    return key in VOLATILE or key.split(".")[0] in VOLATILE


def _word(value: object) -> str:
    """The value as part of a file name. A digest is added if characters had to be left out."""
    text = "null" if value is None else str(value)
    word = re.sub(r"[^0-9a-zA-Z.]+", "-", text).strip("-.")
    plain = re.fullmatch(r"[0-9.]*", word) is not None
    lead = "" if plain else "-"
    return f"{lead}{word}" if word == text and len(word) <= 40 else f"{lead}{word[:40]}-{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
