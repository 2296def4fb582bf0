"""Refuse a configuration that cannot work, in one sentence, before torch is even imported."""

from __future__ import annotations

import difflib

from snnbench.config.axes import AXES
from snnbench.config.errors import ConfigError
from snnbench.config.pixel_range import check_pixel_range
from snnbench.config.schema import SECTIONS
from snnbench.config.signature import Component, Parameter, component
from snnbench.config.types import misfit


def check(config: dict, choices: dict[str, str | None]) -> None:
    """Check every section against its schema, every component against its signature, and how they combine.

    Raises:
        ConfigError: naming the key, the value and what to write instead.
    """
    for section, name in SECTIONS.items():
        node = config.get(section) if section else {k: v for k, v in config.items() if k not in (*AXES, *SECTIONS)}
        if not isinstance(node, dict):
            raise ConfigError(f"{section}={node} must be a section with keys, see configs/train.yaml")
        schema = component(f"snnbench.config.schema.{name}").parameters
        _check_values(section, node, schema, schema)
    components = {axis: _check_component(axis, config.get(axis), choices.get(axis)) for axis in _present(config)}
    _check_combination(components, choices)
    check_pixel_range(config, components, choices)
    _check_tests(config, components["data"], choices)


def components_of(config: dict) -> dict[str, Component]:
    return {axis: component(config[axis]["_target_"]) for axis in _present(config)}


def _present(config: dict) -> list[str]:
    """Every axis but the optional ones that this configuration leaves out."""
    return [axis for axis, about in AXES.items() if not about.optional or config.get(axis) is not None]


def _check_component(axis: str, node: object, choice: str | None) -> Component:
    if not isinstance(node, dict) or "_target_" not in node:
        raise ConfigError(
            f"{axis}={choice} is no component: its YAML has no _target_; `snnbench list {axis}` shows what fits"
        )
    _check_nested_targets(axis, node)
    found = component(node["_target_"])
    package = AXES[axis].package
    if found.target.startswith("snnbench.") and not found.target.startswith(f"{package}."):
        raise ConfigError(f"{axis}._target_={found.target} is no {axis}: it must come from {package}")
    allowed = {name: p for name, p in found.parameters.items() if name not in AXES[axis].injected}
    values = {key: value for key, value in node.items() if not key.startswith("_")}
    _check_values(axis, values, allowed, {k: p for k, p in allowed.items() if p.required})
    return found


def _check_nested_targets(axis: str, node: object) -> None:
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if isinstance(value, dict) and "_target_" in value:
            component(value["_target_"])
        _check_nested_targets(axis, value)


def _check_values(section: str, values: dict, allowed: dict[str, Parameter], needed: dict[str, Parameter]) -> None:
    prefix = f"{section}." if section else ""
    for key, value in values.items():
        if key not in allowed:
            close = difflib.get_close_matches(str(key), allowed, n=1, cutoff=0.3)
            hint = f"the nearest is {prefix}{close[0]}" if close else f"valid are {', '.join(allowed) or 'none'}"
            drop = f" (~{prefix}{key} leaves out what a recipe sets for another {section})" if section in AXES else ""
            raise ConfigError(f"{prefix}{key}={value}: there is no key {key} here; {hint}{drop}")
        if expected := misfit(value, allowed[key].annotation):
            raise ConfigError(f"{prefix}{key}={'null' if value is None else value} must be {expected}")
    if missing := [key for key in needed if key not in values]:
        raise ConfigError(f"{prefix}{missing[0]} is missing: give it a value, e.g. {prefix}{missing[0]}=...")


def _check_tests(config: dict, data: Component, choices: dict[str, str | None]) -> None:
    """When and on what the test set is run."""
    epochs, every = config["train"]["epochs"], config["train"]["eval_every"]
    if epochs % every:
        raise ConfigError(
            f"train.eval_every={every} must divide train.epochs={epochs}, or the last epoch would not be tested"
        )
    if config["measure"]["mirrored"] and "images" not in data.traits:
        raise ConfigError(
            f"measure.mirrored=true needs still images, data={choices['data']} has none; set measure.mirrored=false"
        )


def _check_combination(components: dict[str, Component], choices: dict[str, str | None]) -> None:
    """Each component says which traits of the others it rejects or requires; nothing here knows any of them by name."""
    for axis, one in components.items():
        others = {a: c for a, c in components.items() if a != axis}
        for trait, why in one.rejects.items():
            for other_axis, other in others.items():
                if trait in other.traits:
                    raise ConfigError(
                        f"{axis}={choices[axis]} does not go with {other_axis}={choices[other_axis]}: {why}"
                    )
        for trait, why in one.requires.items():
            if not any(trait in other.traits for other in others.values()):
                raise ConfigError(f"{axis}={choices[axis]} does not fit the rest: {why}")
