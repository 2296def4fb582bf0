"""The tables of all runs: one line per record (`runs.csv`), and one line per group of seeds (`runs.md`)."""

from __future__ import annotations

from collections.abc import Iterable

from snnbench.records import RunRecord
from snnbench.tables.cells import EMPTY
from snnbench.tables.groups import (
    Group,
    best_first,
    group_records,
    operation,
    percent_best,
    percent_chosen,
    percent_last,
)
from snnbench.tables.render import Part, Table, csv_text, markdown_rows
from snnbench.tables.settings import differences, words

FIELDS = (
    "run_id", "status", "name", "experiment", "reproduces", "seed", "time_steps", "epochs", "epochs_planned",
    "acc_last", "acc_mirrored", "acc_best_test", "best_test_epoch", "acc_val_best", "acc_test_at_best_val", "loss_last",
    "train_samples_per_s", "test_samples_per_s", "peak_memory_mb", "parameters", "wall_time_s", "config_hash",
    "recipe_hash", "git_commit", "git_dirty", "started", "finished", "error",
)  # fmt: skip
DATA_FIELDS = ("name", "split", "split_hash", "data_hash")
OPERATION_FIELDS = ("dense_macs", "macs", "acs", "sop", "sop_survey", "first_layer_macs", "energy_mj")
RUN_COLUMNS = ["Run", "Method", "Model", "Data", "Neuron", "Norm", "Objective", "Rule", "Settings", "T",
               "Test acc last (%)", "Test acc best (%)", "Test acc at best val (%)", "Seeds", "Params", "Firing rate",
               "SOP (M)", "Energy (mJ)", "Train samples/s", "Seconds"]  # fmt: skip
CHOSEN = RUN_COLUMNS.index("Test acc at best val (%)")  # left out if no run has a validation split
SHOWN = ("method", "model", "data", "neuron", "norm", "objective", "rule", "T")  # settings with columns of their own
COSTS = ["Params", "Firing rate", "SOP (M)", "Energy (mJ)", "Train samples/s", "Seconds"]  # on LaTeX's second page
NOTES = [
    "Runs of one name stand together, the best first: by accuracy on the validation split where all of them have one, "
    "else by test accuracy (at the best validation epoch, else of the best test epoch). Settings: what a run changed "
    "in its recipe, and what differs between the runs of one name beside the columns before it.",
    "Mean ± sample standard deviation over seeds. SOP (millions a sample) = dense MACs x firing rate; energy from MACs "
    "and ACs with the constants of the record (45 nm: 4.6 and 0.9 pJ).",
]


def _plain(value: object) -> str:
    if value is None:
        return EMPTY
    return format(value, ".6g") if isinstance(value, float) else " ".join(str(value).split()) or EMPTY


def runs_csv(records: Iterable[RunRecord]) -> str:
    """One line per record of any status, ordered by name, configuration and seed."""
    heads = [*FIELDS, "choices", *(f"data_{key}" for key in DATA_FIELDS), *OPERATION_FIELDS, "firing_rate", "device"]
    lines = [[*heads, "settings"]]
    records = sorted(records, key=lambda r: (r.name, r.config_hash, r.seed, r.run_id))
    for record, settings in zip(records, _settings(records)):
        choices = " ".join(f"{axis}={choice}" for axis, choice in sorted(record.choices.items()))
        values = [getattr(record, key) for key in FIELDS] + [choices]
        values += [record.data.get(key) for key in DATA_FIELDS]
        values += [record.operations.get(key) for key in OPERATION_FIELDS]
        values += [record.mean_firing_rate(), record.device.get("name"), words(settings)]
        lines.append(list(map(_plain, values)))
    return csv_text(lines)


def _settings(records: list[RunRecord]) -> list[dict[str, str]]:
    """The settings in which each record differs from the others of its name."""
    found: dict[int, dict[str, str]] = {}
    for name in {record.name for record in records}:
        alike = [record for record in records if record.name == name]
        found |= {id(record): settings for record, settings in zip(alike, differences(alike))}
    return [found[id(record)] for record in records]


def runs_page(records: Iterable[RunRecord]) -> Table:
    """The table `runs`: finished runs grouped over seeds. Its notes name the runs that did not finish."""
    records = list(records)
    by_name: dict[str, list[Group]] = {}
    for group in group_records(records):
        by_name.setdefault(group.first.name, []).append(group)
    groups = [group for _, alike in sorted(by_name.items()) for group in best_first(alike)]
    heads, rows = list(RUN_COLUMNS), [_row(group) for group in groups]
    if all(row[CHOSEN] == EMPTY for row in rows):
        heads, rows = _without(CHOSEN, heads), [_without(CHOSEN, row) for row in rows]
    what = [column for column in heads if column not in COSTS]
    results = _page("Runs: results", what, heads, rows)
    costs = _page("Runs: costs", ["Run", "Neuron", "Settings", *COSTS], heads, rows)
    rest = sorted((r for r in records if r.status != "done"), key=lambda r: (r.name, r.seed, r.run_id))
    unfinished = [
        f"Not finished: {r.name}, seed {r.seed}: {r.status} after {r.epochs} epochs, {_plain(r.error)}" for r in rest
    ]
    return Table("runs", "Runs", heads, [Part("", rows)], [*NOTES, *unfinished], [results, costs])


def runs_table(records: Iterable[RunRecord]) -> str:
    """The rows of the table `runs` as Markdown."""
    table = runs_page(records)
    return "\n".join(markdown_rows(table.columns, table.parts[0].rows)) + "\n"


def _without(place: int, row: list[str]) -> list[str]:
    return [*row[:place], *row[place + 1 :]]


def _page(title: str, columns: list[str], heads: list[str], rows: list[list[str]]) -> Table:
    places = [heads.index(column) for column in columns]
    return Table("runs", title, columns, [Part("", [[row[place] for place in places] for row in rows])])


def _row(group: Group) -> list[str]:
    record, settings = group.first, group.settings
    chosen = group.text(percent_chosen)
    return [
        record.name,
        _choice(record, "method"),
        _choice(record, "model"),
        record.choices.get("data") or record.data.get("name") or EMPTY,
        *(_choice(record, axis) for axis in ("neuron", "norm", "objective", "rule")),
        words({key: value for key, value in settings.items() if key not in SHOWN}) or EMPTY,
        str(record.time_steps or EMPTY),
        group.text(percent_last) + group.mark,
        group.text(percent_best) + group.mark,
        chosen if chosen == EMPTY else chosen + group.mark,
        f"{group.seeds}, {len(group.splits)} splits" if len(group.splits) > 1 else str(group.seeds),
        f"{record.parameters:,}" if record.parameters else EMPTY,
        group.text(RunRecord.mean_firing_rate, 3),
        group.text(operation("sop"), 3),
        group.text(operation("energy_mj"), 4),
        group.machine_text(lambda r: r.train_samples_per_s, 0),
        group.machine_text(lambda r: r.wall_time_s, 0),
    ]


def _choice(record: RunRecord, axis: str) -> str:
    return record.choices.get(axis) or EMPTY
