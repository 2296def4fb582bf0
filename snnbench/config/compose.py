"""Compose the overrides from the shell into one resolved and checked configuration, a plain dict."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from snnbench.axes import AXES, SECTIONS
from snnbench.config.catalogue import options, path_of
from snnbench.config.check import check
from snnbench.config.environment import check_interpolations, check_no_secret
from snnbench.config.finished_run import FinishedRun
from snnbench.config.identity import Identity, flat, identify
from snnbench.config.nearest import nearest
from snnbench.config.overrides import GROUPS, check_choice, first_line, parse
from snnbench.config.paths import configs_dir
from snnbench.config.plugins import config_dirs
from snnbench.config.signature import component
from snnbench.config.sources import identified, read_sources
from snnbench.config.targets import check_choices
from snnbench.errors import ConfigError

# What Hydra, OmegaConf and PyYAML raise besides their own errors where a file is not what they expect.
UNREADABLE = (YAMLError, OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError)


@dataclass(frozen=True)
class Composed:
    """A configuration as `compose` makes it.

    Args:
        config: the resolved configuration, a plain dict.
        choices: for each config group the chosen YAML, or None where the group is empty.
        overrides: the overrides as they were given.
        identity: which run this is: its name, hashes and folder.
        sources: the finished runs that it takes weights from, by section: teacher, start.
    """

    config: dict
    choices: dict[str, str | None]
    overrides: tuple[str, ...]
    identity: Identity
    sources: dict[str, FinishedRun]


def compose(overrides: list[str]) -> Composed:
    """Compose, resolve and check.

    Raises:
        ConfigError: one sentence for whatever is wrong, before anything was built or written.
    """
    parsed = parse(overrides)
    for override in parsed:
        if override.is_sweep_override():
            raise ConfigError(f"'{override.input_line}' names several values: add -m to run one job for each")
        check_choice(override)
    check_no_secret(dict(enumerate(overrides, 1)), "override")
    raw = _compose([*_method_on_top(parsed), *_without_nulls(parsed)])
    choices = {group: raw.hydra.runtime.choices.get(group) for group in GROUPS}
    # `attention=none` must give the same hash and record as a configuration without the axis attention.
    none = [axis for axis, about in AXES.items() if about.optional and choices[axis] == "none"]
    choices |= dict.fromkeys(none)
    empty = [axis for axis in (*none, *_nulls(parsed)) if choices[axis] is None]
    config = _resolve(raw, _deletions(parsed), empty)
    check_choices(config, choices)
    check(config, choices)
    _check_deleted(parsed, config, choices)
    check_no_secret(config)
    sources = read_sources(config)
    config = identified(config, sources)
    return Composed(config, choices, tuple(overrides), identify(config, choices), sources)


def _check_deleted(parsed: list[Override], config: dict, choices: dict[str, str | None]) -> None:
    """Refuse `~neuron.tau` where the chosen neuron has a tau: the record would not show which value the run used.

    Such an override is meant for keys that a recipe sets for another neuron.
    """
    for override in parsed:
        section, _, key = override.key_or_group.partition(".")
        node = config.get(section) if override.is_delete() and section in (*AXES, *SECTIONS) else None
        if not node or key in node:
            continue
        schema = node["_target_"] if section in AXES else f"snnbench.config.schema.{SECTIONS[section]}"
        if key in component(schema).parameters:
            whose = f"{section}={choices[section]}" if section in AXES else section
            raise ConfigError(f"'{override.input_line}': {whose} needs it; write {section}.{key}=<value>")


def recipe_of(experiment: str, *chosen: str) -> Composed:
    """An experiment as published, without anybody's overrides but the components `chosen` ("neuron=plif")."""
    return compose([f"experiment={experiment}", *chosen])


def _method_on_top(parsed: list[Override]) -> list[str]:
    """The overrides that a method sets, if the shell chose a method and an experiment.

    Hydra would let the experiment's values win. As overrides, the method's values win over the experiment's, and any
    other override of the shell wins over both.
    """
    given = {override.key_or_group: override.value() for override in parsed}
    method = given.get("method")
    if not (isinstance(method, str) and isinstance(given.get("experiment"), str)):
        return []
    try:
        bundle = OmegaConf.to_container(OmegaConf.load(path_of("method", method)))
        axes = [next(iter(entry.items())) for entry in bundle.pop("defaults", None) or () if isinstance(entry, dict)]
        chosen = {axis.removeprefix("override /"): choice for axis, choice in axes}
        return [f"{axis}={choice}" for axis, choice in chosen.items() if axis not in given] + [
            f"{key}={json.dumps(value)}" for key, value in flat(bundle) if str(key).split(".")[0] not in given
        ]
    except (*UNREADABLE, OmegaConfBaseException) as error:
        raise ConfigError(f"configs/method/{method}.yaml cannot be read ({first_line(error)}); mend it") from None


def _nulls(parsed: list[Override]) -> list[str]:
    """The axes and bundles that the shell wants to be empty: `teacher=null`, `~teacher`; the last word counts."""
    last = {override.key_or_group: override for override in parsed if override.key_or_group in GROUPS}
    return [key for key, override in last.items() if override.is_delete() or override.value() is None]


def _without_nulls(parsed: list[Override]) -> list[str]:
    """The overrides, with `~teacher` for `teacher=null`, which Hydra does not take for a group."""
    nulls = _nulls(parsed)
    empty = [o for o in parsed if o.key_or_group in GROUPS and (o.is_delete() or o.value() is None)]
    kept = [o.input_line for o in parsed if o not in empty and o.key_or_group not in nulls and not o.is_delete()]
    return [*kept, *(f"~{key}" for key in nulls)]


def _deletions(parsed: list[Override]) -> list[Override]:
    """The overrides `~key` and `~key=value` of single keys, but for keys that a later override sets again."""
    last = {override.key_or_group: override for override in parsed}
    return [override for key, override in last.items() if override.is_delete() and key not in GROUPS]


def _compose(overrides: list[str]) -> DictConfig:
    with initialize_config_dir(str(configs_dir()), version_base="1.3"):
        try:
            return hydra_compose("train", overrides=[*_plugins(), *overrides], return_hydra_config=True)
        except YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            reason = f"{mark.name}, line {mark.line + 1}: {error.problem}" if mark else first_line(error)
            raise ConfigError(f"a YAML file cannot be read ({reason}); mend it") from None
        except (HydraException, OmegaConfBaseException) as error:
            bad = _culprit(error, overrides)
            if bad is None:
                raise ConfigError(f"the configuration cannot be composed: {first_line(error)}") from None
            key = bad.lstrip("+~").split("=")[0]
            groups = [o for o in overrides if o.split("=")[0] in GROUPS and o != bad]
            reason = first_line(error)
        except UNREADABLE as error:
            chosen = [o for o in overrides if o.split("=")[0] in GROUPS]
            raise ConfigError(
                f"a YAML file of {' '.join(chosen)} cannot be read ({first_line(error)}); mend it"
            ) from None
        try:
            known = hydra_compose("train", overrides=[*_plugins(), *groups])
        except (HydraException, OmegaConfBaseException, *UNREADABLE):
            raise ConfigError(f"the configuration cannot be composed: {reason}") from None
    raise ConfigError(_override_error(bad, key, known, reason))


def _plugins() -> list[str]:
    """The override by which Hydra finds the YAML files of plugins too."""
    folders = [f"file://{folder}" for folder in config_dirs()[1:]]
    return [f"hydra.searchpath={json.dumps(folders)}"] if folders else []


def _culprit(error: Exception, overrides: list[str]) -> str | None:
    """The override that Hydra complains of: the one whose key its message names."""
    for override in overrides:
        key = re.escape(override.lstrip("+~").split("=")[0])
        if re.search(rf"(?<![\w.]){key}(?![\w.])", str(error)):
            return override
    return None


def _override_error(bad: str, key: str, known: DictConfig, reason: str) -> str:
    if key in _keys(known):
        return f"'{bad}' does not fit {key}: {reason}"
    axis = key.split(".")[0]
    if axis in AXES and axis not in known:
        return f"'{bad}' sets a value of {axis}, and there is none: add {axis}={options(axis)[0]}"
    return f"'{bad}': there is no key {key}; {nearest(key, _keys(known))}"


def _keys(node: DictConfig, prefix: str = "") -> list[str]:
    found = []
    for key in node:
        name = f"{prefix}{key}"
        found.append(name)
        value = node._get_node(key)
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_interpolation():
            found += _keys(value, f"{name}.")
    return found


def _resolve(raw: DictConfig, deletions: list[Override], empty: list[str]) -> dict:
    """The configuration as a plain dict without interpolations.

    Args:
        raw: The configuration as Hydra composed it.
        deletions: The overrides that delete single keys.
        empty: The axes and bundles that the configuration does not have. Keys that a recipe sets for them are removed.
    """
    OmegaConf.set_struct(raw, False)
    raw = raw.copy()
    raw.pop("hydra")
    for override in deletions:
        _delete(raw, override)
    for key in empty:
        raw.pop(key, None)
    check_interpolations(OmegaConf.to_container(raw, resolve=False))
    try:
        return OmegaConf.to_container(raw, resolve=True, throw_on_missing=True)
    except (OmegaConfBaseException, RecursionError) as error:
        key = getattr(error, "full_key", None) or "?"
        raise ConfigError(f"{key} cannot be resolved: {first_line(error)}") from None


def _delete(raw: DictConfig, override: Override) -> None:
    """Apply `~key` or `~key=value` to `raw`. Hydra cannot: it takes a key whose value is null for a missing key."""
    key, text = override.key_or_group, override.input_line
    if key not in _keys(raw):
        raise ConfigError(_override_error(text, key, raw, ""))
    section, _, leaf = key.rpartition(".")
    node = OmegaConf.select(raw, section) if section else raw
    value = OmegaConf.to_container(node, resolve=False)[leaf]
    if override.value() not in (None, value):
        raise ConfigError(f"'{text}' does not fit {key}: its value is {json.dumps(value)}; write ~{key}")
    node.pop(leaf)
