"""The ranking that a grid prints at its end: jobs by accuracy, the settings that differ, and dead layers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from snnbench.records import RunRecord, load_record
from snnbench.tables.cells import EMPTY, plain
from snnbench.tables.groups import (
    Group,
    best_first,
    group_records,
    percent_best,
    percent_chosen,
    percent_last,
    percent_val,
)
from snnbench.tables.settings import differences, words

MOST = 3  # the number of layers that are named for each job
ACCURACIES = {  # heading -> measure; a column without values is left out
    "best val (%)": percent_val,
    "test at best val (%)": percent_chosen,
    "best test (%)": percent_best,
    "last test (%)": percent_last,
}


def records_in(folders: Iterable[Path]) -> list[RunRecord]:
    """The records of the run folders that contain one."""
    return [load_record(folder / "run.json") for folder in dict.fromkeys(folders) if (folder / "run.json").is_file()]


def ranking(records: Iterable[RunRecord]) -> list[str]:
    """Lines for the console: one line per configuration, averaged over its seeds, in the order of `best_first`.

    Then come the failed jobs with their errors, and the warnings about dead and saturated layers.
    """
    records = list(records)
    settings = {id(record): found for record, found in zip(records, differences(records))}

    def label(record: RunRecord) -> str:
        return plain(words(settings[id(record)] | {"seed": str(record.seed)}))

    groups = best_first(group_records(records))
    lines = _table(groups, [settings[id(group.first)] for group in groups]) if groups else []
    lines += [
        f"{record.status} after {record.epochs} epochs: {label(record)}: {plain(record.error or EMPTY)}"
        for record in records
        if record.status != "done"
    ]
    ended = [record for group in groups for record in group.records]
    return lines + [f"{label(record)}: {_warning(record.warnings)}" for record in ended if record.warnings]


def _warning(sentences: list[str]) -> str:
    """The findings of the first warnings. Their advice is left out, because the log of the job has it."""
    more = f"; and {len(sentences) - MOST} more" if sentences[MOST:] else ""
    return "; ".join(plain(sentence).split(";")[0].rstrip(".") for sentence in sentences[:MOST]) + more


def _table(groups: list[Group], settings: list[dict[str, str]]) -> list[str]:
    """Aligned columns: rank, accuracies, each key that differs, the number of seeds."""
    measured = {head: [group.text(measure) for group in groups] for head, measure in ACCURACIES.items()}
    columns = {"": [f"{place}." for place in range(1, len(groups) + 1)]}
    columns |= {head: cells for head, cells in measured.items() if set(cells) != {EMPTY}}
    for key in dict.fromkeys(key for found in settings for key in found):
        columns[plain(key)] = [plain(found.get(key, EMPTY)) for found in settings]
    if any(group.seeds > 1 for group in groups):
        columns["seeds"] = [str(group.seeds) for group in groups]
    widths = [max(map(len, (head, *cells))) for head, cells in columns.items()]
    rows = [list(columns), *map(list, zip(*columns.values()))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
