"""Find the choices and values in which the configurations of several runs differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from snnbench.axes import AXES, BUNDLES
from snnbench.config.identity import REPETITION, VOLATILE, without_idle_start
from snnbench.records import RunRecord

ASIDE = (*(key for key in VOLATILE if key != "kernels"), *REPETITION, "teacher.identity")
ABSENT = ("null", "[]", "")  # an older record may lack a key; the key then counts as one of these


def differences(records: Sequence[RunRecord]) -> list[dict[str, str]]:
    """For each record the {key: value} in which the records differ, without seeds, folds and folders.

    Only records of one experiment are compared. A key below an axis is compared between records with the same component
    on that axis: `neuron.tau` of two LIFs, but not of a LIF and a PLIF, which differ in `neuron` already. Recipes
    without any other difference are told apart by their hash.
    """
    flats = [dict(_settings(record)) for record in records]
    found: list[dict[str, str]] = [{} for _ in records]
    for key in sorted({key for flat in flats for key in flat}, key=_order):
        values: dict[tuple, set[str]] = {}
        for record, flat in zip(records, flats):
            value = flat.get(key, ABSENT[0])
            values.setdefault(_peers(record, key), set()).add(ABSENT[0] if value in ABSENT else value)
        for record, flat, differing in zip(records, flats, found):
            if key in flat and len(values[_peers(record, key)]) > 1:
                differing[key] = flat[key]
    _name_twins(records, found)
    return found


def words(settings: dict[str, str]) -> str:
    """The settings as text, e.g. `optimizer.lr=0.1 neuron.tau=2.0`."""
    return " ".join(f"{key}={value}" for key, value in settings.items())


def as_text(value: object) -> str:
    """A value as it is written on the command line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _peers(record: RunRecord, key: str) -> tuple:
    """The property that two records must share to be compared in `key`."""
    if key == "experiment":
        return ()
    axis = key.split(".")[0] if "." in key else ""
    return record.choices.get("experiment"), record.choices.get(axis) if axis in AXES else None


def _settings(record: RunRecord) -> Iterator[tuple[str, str]]:
    for axis, choice in record.choices.items():
        if choice:
            yield axis, str(choice)
    leaves = _leaves(without_idle_start(record.config), "")
    yield from ((key, as_text(value)) for key, value in leaves if not _is_aside(key))
    yield "kernels", str(record.config.get("kernels") or "auto")
    if record.data.get("data_hash"):
        yield "data.hash", str(record.data["data_hash"])[:8]


def _leaves(node: dict, prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _is_aside(key: str) -> bool:
    return any(key == aside or key.startswith(f"{aside}.") for aside in ASIDE)


def _order(key: str) -> tuple[int, str]:
    """A sort key: component choices first, in the order of the axes, then other keys by name."""
    axes = [*BUNDLES, *AXES]
    return (axes.index(key), "") if key in axes else (len(axes), key)


def _name_twins(records: Sequence[RunRecord], found: list[dict[str, str]]) -> None:
    told, recipes = [words(settings) for settings in found], {}
    for record, text in zip(records, told):
        recipes.setdefault(text, set()).add(record.recipe_hash)
    for record, settings, text in zip(records, found, told):
        if len(recipes[text]) > 1:
            settings["recipe"] = record.recipe_hash
