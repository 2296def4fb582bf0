"""A table with one row per surveyed system: its options, the main result of its paper, and our best runs of it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from snnbench.errors import ConfigError
from snnbench.tables.cells import EMPTY
from snnbench.tables.groups import Group, percent_best, signed
from snnbench.tables.render import Part, Table
from snnbench.tables.reported import Reported

NAME = "systems"
HEADER = ("section", "key", "system", "year", "switch", "headline", "also")
COLUMNS = [
    "Section", "System", "Year", "Turn it on with", "Headline of its paper", "Headline (%)", "Ours was run on",
    "Published there (%)", "Ours, best test epoch (%)", "Difference", "Seeds", "GPU-minutes", "Protocol",
]  # fmt: skip
CLOSE = 0.5  # percentage points
NOTES = [
    "Of several runs of a system the row shows the one that says most: its headline before another published row, a "
    "published row before data that no paper has a row for, the whole protocol before a part of it. Where two count "
    "the same, the one with more seeds stands here.",
    "Accuracy is that of the best test epoch, which most papers print; it is chosen on the test set. Mean ± sample "
    "standard deviation over seeds. A run that is shorter than its recipe, or that changed it, is marked in its cells; "
    "such a difference says nothing about the method.",
    "GPU-minutes: all epochs of one run, on the device that the protocol names; a dash stands for a CPU.",
    "† not verified: recalled or from disagreeing secondary sources; results/reported holds every row's source.",
]


@dataclass(frozen=True)
class System:
    """A line of systems.csv. `switch` is empty if it is not built. `headline` and `also` are ids of published rows."""

    section: str
    key: str
    system: str
    year: str
    switch: str
    headline: str
    also: tuple[str, ...]


def load_systems(reported_dir: str | Path, reported: dict[str, Reported]) -> list[System]:
    """The surveyed systems of `<reported_dir>/systems/systems.csv`, in its order. Empty without that file.

    Raises:
        ConfigError: The file has wrong columns, names a system twice, or names a published row that does not exist.
    """
    path = Path(reported_dir) / "systems" / "systems.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    if tuple(lines[0]) != HEADER or any(len(line) != len(HEADER) for line in lines):
        raise ConfigError(f"{path}: every line must have the columns {','.join(HEADER)}; quote commas")
    systems = [System(*line[:-1], tuple(line[-1].split())) for line in lines[1:]]
    for system in systems:
        for row in filter(None, (system.headline, *system.also)):
            if row not in reported:
                raise ConfigError(
                    f"{path}: '{system.key}' names the published row '{row}', which results/reported lacks"
                )
    if len({system.key for system in systems}) < len(systems):
        raise ConfigError(f"{path}: a system is there twice; each has one line")
    return systems


def systems_table(systems: list[System], reported: dict[str, Reported], groups: list[Group]) -> Table:
    """The table with one row for each system, or with one row of empty cells if there are none."""
    rows = [_row(system, evidence(system, reported, groups), reported) for system in systems]
    notes = [counts(systems, reported, groups), *NOTES]
    parts = [Part("", rows or [[EMPTY] * len(COLUMNS)])]
    return Table(NAME, "The surveyed systems, one row each", list(COLUMNS), parts, notes)


def counts(systems: list[System], reported: dict[str, Reported], groups: list[Group]) -> str:
    """How many systems are built, how many ran on the data of a published row, and how many come close to that row."""
    found = [(system, evidence(system, reported, groups)) for system in systems]
    measured = [(group, _published(group, reported)) for _, group in found if group is not None]
    compared = [(group, row) for group, row in measured if row is not None]
    whole = [(group, row) for group, row in compared if not group.mark]
    close = [group for group, row in whole if abs(_mean(group) - row.number) <= CLOSE]
    return (
        f"{sum(bool(system.switch) for system in systems)} of the survey's {len(systems)} systems are built; "
        f"{len(compared)} have a record on the data of a published row, {len(whole)} of them over that row's whole "
        f"protocol, and {len(close)} of these lie within {CLOSE} points of the published number."
    )


def evidence(system: System, reported: dict[str, Reported], groups: list[Group]) -> Group | None:
    """The most informative group of runs of a system (see `NOTES`), or None without runs."""
    rows = {row.id for row in reported.values() if row.key == system.key} | {system.headline, *system.also}
    rows = _with_originals(rows, reported)
    headlines = _with_originals({system.headline}, reported)

    def worth(group: Group) -> tuple:
        is_headline = group.first.reproduces in headlines
        return _published(group, reported) is not None, not group.mark, is_headline, group.seeds, group.first.epochs

    mine = [
        group
        for group in groups
        if _mean(group) is not None
        and (group.first.reproduces in rows or (group.first.experiment or "").split("/")[0] == system.key)
    ]
    return max(mine, key=worth, default=None)  # of equal groups the first is chosen


def _with_originals(rows: set[str], reported: dict[str, Reported]) -> set[str]:
    """These published rows, and the rows that they repeat."""
    return (rows | {reported[row].same_as for row in rows if row in reported}) - {""}


def _published(group: Group, reported: dict[str, Reported]) -> Reported | None:
    row = reported.get(group.first.reproduces or "")
    return row if row is not None and row.quantity == "top1" else None


def _mean(group: Group) -> float | None:
    return group.mean(percent_best)


def _row(system: System, group: Group | None, reported: dict[str, Reported]) -> list[str]:
    headline = reported.get(system.headline)
    cells = [
        system.section,
        system.system,
        system.year,
        system.switch or "not built",
        _where(headline),
        _value(headline),
    ]
    if group is None:
        return [*cells, *[EMPTY] * 7]
    row = _published(group, reported)
    where = _where(row) if row is not None else f"{group.first.choices.get('data')}, {group.first.choices.get('model')}"
    difference = EMPTY if row is None else signed(_mean(group) - row.number) + group.mark
    return [*cells, where, _value(row), group.text(percent_best) + group.mark, difference, str(group.seeds),
            _minutes(group), group.protocol()]  # fmt: skip


def _where(row: Reported | None) -> str:
    """Data set, network and time steps of a published row, for example 'CIFAR-10, ResNet-19, T 4'."""
    if row is None:
        return EMPTY
    return ", ".join(filter(None, (row.dataset, row.architecture, row.T and f"T {row.T}")))


def _value(row: Reported | None) -> str:
    return EMPTY if row is None else row.marked


def _minutes(group: Group) -> str:
    """The minutes of all epochs of one run, as the mean over its seeds on one kind of GPU."""
    seconds = [record.epochs_s for record in group.records]
    on_gpu = all("nvidia" in (record.device.get("name") or "").lower() for record in group.records)
    if None in seconds or len(group.devices) != 1 or not on_gpu:
        return EMPTY
    return f"{sum(seconds) / len(seconds) / 60:.1f}"
