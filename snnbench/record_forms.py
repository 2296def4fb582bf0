"""Check the values of a record beyond their types, because a `run.json` may be damaged or hostile. Without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from snnbench.axes import AXES, SECTIONS
from snnbench.errors import ConfigError
from snnbench.forms import A_NAME, is_hash, is_name, is_seed, is_word
from snnbench.plain import CONTROL, LARGEST, check_plain

LARGEST_MEASURED = 1e100  # its square is finite, too, which standard deviations in tables need
TEXTS = {"data": ("name", "split", "split_hash", "data_hash"), "device": ("name", "precision")}
NUMBERS = {
    "device": ("count",),
    "operations": ("dense_macs", "macs", "acs", "sop", "sop_survey", "first_layer_macs", "energy_mj"),
}


def check_forms(values: Mapping[str, Any], where: str) -> None:
    """Refuse values that would later lead to a wrong folder, file or component, or to a traceback.

    Raises:
        ConfigError: A value is wrong. The message names `where`, the key and what it must hold.
    """
    forms = {
        "run_id": (is_name, A_NAME),
        "name": (is_name, A_NAME),
        "experiment": (is_name, A_NAME),
        "config_hash": (is_hash, "letters and digits"),
        "recipe_hash": (is_hash, "letters and digits"),
        "seed": (is_seed, f"a whole number in [0, {LARGEST}]"),
    }
    for name, (fits, form) in forms.items():
        if values.get(name) is not None and not fits(values[name]):
            raise ConfigError(f"{where}: key '{name}' is {values[name]!r} but must be {form}")
    for axis, choice in values["choices"].items():
        if not is_word(axis) or (choice is not None and not is_name(choice)):
            raise ConfigError(f"{where}: key 'choices' holds {axis!r}: {choice!r} but must hold names")
    for name in ("reproduces", "command"):
        if CONTROL.search(values.get(name) or ""):
            raise ConfigError(f"{where}: key '{name}' is {values[name]!r} but must have no control characters")
    _check_config(values["config"], where)
    _check_parts(values, where)


def _check_config(config: Mapping[str, Any], where: str) -> None:
    try:
        check_plain(config)
    except ConfigError as error:
        raise ConfigError(f"{where}: key 'config' holds no configuration: {error}") from None
    for name in (*AXES, *filter(None, SECTIONS)):
        value = config.get(name)
        _require(isinstance(value, dict | None), where, f"config.{name}", value, "a section with keys")


def _check_parts(values: Mapping[str, Any], where: str) -> None:
    """Check the numbers, and the nested keys that tables read."""
    for name, value in values.items():
        _require(_is_measured(value) or not isinstance(value, int | float), where, name, value, "a finite number")
    for name, keys in TEXTS.items():
        for key, value in _chosen(values, name, keys):
            _require(isinstance(value, str), where, f"{name}.{key}", value, "a text")
    for name, keys in (NUMBERS | {"firing_rates": values.get("firing_rates", ())}).items():
        for key, value in _chosen(values, name, keys):
            _require(_is_measured(value), where, f"{name}.{key}", value, "a finite number")
    for key, value in values.get("deviations", {}).items():
        is_pair = isinstance(value, list | tuple) and len(value) == 2
        _require(is_pair, where, f"deviations.{key}", value, "a list of the recipe's value and the run's")
    copies = values.get("data", {}).get("other_md5", {})
    are_sums = isinstance(copies, Mapping) and all(isinstance(md5, str) for md5 in copies.values())
    _require(are_sums, where, "data.other_md5", copies, "the MD5 of each file")


def _chosen(values: Mapping[str, Any], name: str, keys: Iterable[str]) -> list[tuple[str, Any]]:
    """The nested keys of `name` that have a value."""
    node = values.get(name, {})
    return [(key, node[key]) for key in keys if node.get(key) is not None]


def _is_measured(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= LARGEST_MEASURED


def _require(holds: bool, where: str, name: str, value: object, wanted: str) -> None:
    if not holds:
        raise ConfigError(f"{where}: key '{name}' is {str(value)[:80]!r} but must be {wanted}")
