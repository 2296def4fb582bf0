"""Refuse a configuration that cannot work, in one sentence, before torch is even imported."""

from __future__ import annotations

from snnbench.axes import AXES, SECTIONS
from snnbench.config.nearest import nearest
from snnbench.config.pixel_range import check_pixel_range
from snnbench.config.signature import Component, Parameter, component
from snnbench.config.targets import present, require_component
from snnbench.config.types import misfit
from snnbench.errors import ConfigError
from snnbench.forms import A_NAME, is_name
from snnbench.plain import check_plain

MOST_WORKERS = 1024


def check(config: dict, choices: dict[str, str | None]) -> None:
    """Check every section against its schema, every component against its signature, and how they combine.

    Raises:
        ConfigError: naming the key, the value and what to write instead.
    """
    check_plain(config)
    for section, name in SECTIONS.items():
        schema = component(f"snnbench.config.schema.{name}").parameters
        needed = {key: parameter for key, parameter in schema.items() if parameter.required}
        top = {key: value for key, value in config.items() if key not in (*AXES, *SECTIONS)}
        node = config.get(section, None if needed else {}) if section else top
        if not isinstance(node, dict):
            raise ConfigError(f"{section}={node} must be a section with keys, see configs/train.yaml")
        _check_values(section, node, schema, needed)
    if config["name"] is not None and not is_name(config["name"]):
        raise ConfigError(f"name={config['name']} becomes a folder: it must be {A_NAME}")
    components = {axis: _check_component(axis, config.get(axis), choices.get(axis)) for axis in present(config)}
    _check_kind(components["data"], choices)
    _check_sizes(config["data"], config["paths"])
    _check_combination(components, choices)
    _check_processes(config["train"]["devices"], components, choices)
    check_pixel_range(config, components, choices)
    if config["train"]["ckpt_path"] == "":
        raise ConfigError("train.ckpt_path= is no file: give the path of a last.ckpt, or null to start anew")
    _check_tests(config, components["data"], choices)


def _check_component(axis: str, node: object, choice: str | None) -> Component:
    if not isinstance(node, dict) or "_target_" not in node:
        raise ConfigError(
            f"{axis}={choice} is no component: its YAML has no _target_; `snnbench list {axis}` shows what fits"
        )
    found = require_component(axis, node["_target_"])
    allowed = {name: p for name, p in found.parameters.items() if name not in AXES[axis].injected}
    values = {key: value for key, value in node.items() if key != "_target_"}
    _check_values(axis, values, allowed, {k: p for k, p in allowed.items() if p.required})
    return found


def _check_values(section: str, values: dict, allowed: dict[str, Parameter], needed: dict[str, Parameter]) -> None:
    prefix = f"{section}." if section else ""
    unknown = [key for key in values if key not in allowed]
    for key in unknown:
        hint = nearest(f"{prefix}{key}", [f"{prefix}{name}" for name in allowed]) if allowed else "it has no keys"
        drop = " ".join(f"~{prefix}{key}" for key in unknown)
        drop = f" ({drop} leaves out what a recipe sets for another {section})" if section in AXES else ""
        raise ConfigError(f"{prefix}{key}={values[key]}: there is no key {key} here; {hint}{drop}")
    for key, value in values.items():
        if expected := misfit(value, allowed[key].annotation):
            shown = "null" if value is None else value
            quoted = (
                f", e.g. '{prefix}{key}=\"{value}\"'" if "a text" in expected and isinstance(value, int | float) else ""
            )
            raise ConfigError(f"{prefix}{key}={shown} must be {expected}{quoted}")
    if missing := [key for key in needed if key not in values]:
        raise ConfigError(f"{prefix}{missing[0]} is missing: give it a value, e.g. {prefix}{missing[0]}=...")


def _check_kind(data: Component, choices: dict[str, str | None]) -> None:
    """Check that the data set says whether it holds images or events. Encoders and augmentations depend on it."""
    if len({"images", "events"} & data.traits) != 1:
        raise ConfigError(
            f"data={choices['data']} must say whether it holds images or events: write "
            f'traits = ("images",) or traits = ("events",) into the class {data.target}'
        )


def _check_sizes(data: dict, paths: dict) -> None:
    """What every component is built from or every data set has, checked before the first of them is built."""
    shape, classes, workers = data["shape"], data["num_classes"], data.get("num_workers", 0)
    if len(shape) != 3 or not all(1 <= size <= 100_000 for size in shape):
        raise ConfigError(f"data.shape={shape} must be [channels, height, width], three whole numbers in [1, 100000]")
    if classes < 1:
        raise ConfigError(f"data.num_classes={classes} must be a whole number >= 1")
    if workers > MOST_WORKERS:
        raise ConfigError(f"data.num_workers={workers} must be a whole number in [0, {MOST_WORKERS}], one process each")
    for key, path in paths.items():
        if not path.strip():
            raise ConfigError(f"paths.{key} is empty: give a folder, e.g. paths.{key}={key}")
        if path.startswith("~"):  # Lightning would read it as the home folder, we would not
            raise ConfigError(f"paths.{key}={path} begins with ~, which the shell leaves as it is here: write $HOME")


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


def _check_processes(devices: int, components: dict[str, Component], choices: dict[str, str | None]) -> None:
    """Refuse several devices for a component that trains in one process. `train.launch` checks started processes."""
    for axis, one in components.items():
        if devices > 1 and "one_process" in one.traits:
            raise ConfigError(
                f"train.devices={devices}: {axis}={choices[axis]} trains in one process; set train.devices=1, or "
                f"choose another {axis}"
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
