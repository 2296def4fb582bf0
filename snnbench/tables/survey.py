"""The survey's comparison tables in the layout of the survey: one column per method, one row per quantity.

Each quantity has a row with the survey's values and rows with ours, one for runs of the recipe's full length and one
for runs of a short length that all methods share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from snnbench.tables.cells import EMPTY
from snnbench.tables.groups import Group, Measure, number, operation, percent_best, percent_last, signed
from snnbench.tables.render import Part, Table
from snnbench.tables.reported import Reported
from snnbench.tables.speeds import OURS, PEER, Speeds
from snnbench.tables.survey_columns import Column, columns_of
from snnbench.tables.survey_notes import notes
from snnbench.tables.survey_tasks import ALL_POSITIONS, TASKS, Task, ours_heading

HEADINGS = {
    "top1": "Top-1 (%)", "pretraining_top1": "Pre-training top-1 (%)", "map50": "mAP50", "map50_95": "mAP50-95",
    "sop": "SOP (M)", "train_speed": "Train samples/s", "test_speed": "Test samples/s",
    "gpu_memory": "GPU memory (MB)",
}  # fmt: skip
MEASURES: dict[str, tuple[Measure, int]] = {"top1": (percent_best, 2), "sop": (operation("sop_survey"), 3)}
MACHINE = {"train_speed": 0, "test_speed": 0, "gpu_memory": 0}  # decimal places of our values
RUNS = "Runs"


def survey_tables(
    reported: dict[str, Reported],
    groups: list[Group],
    speeds: Speeds | None = None,
    remarks: dict[str, list[str]] | None = None,
) -> list[Table]:
    """One table per task of the survey. A run belongs to the method whose published row it reproduces.

    `remarks` maps a table name to sentences written by hand, for example on the cause of a difference. They are printed
    below the table.
    """
    speeds, tables = speeds or Speeds(), []
    for key, task in TASKS.items():
        tables.append(_table(task, columns_of(key, reported, groups, speeds), speeds))
        tables[-1].notes += (remarks or {}).get(task.name, [])
    return tables


Row = tuple[str, str, Callable[[Column], str]]  # quantity, label of the row, function of a column that gives the cell


def _table(task: Task, columns: list[Column], speeds: Speeds) -> Table:
    published = [key for key in HEADINGS if any(key in column.published for column in columns)]
    others = sorted({epochs for column in columns for epochs in column.runs} - set(task.protocols()), reverse=True)
    lines: list[Row] = []
    for key in published:
        lines.append((HEADINGS[key], "survey", partial(_published, key=key)))
        if key in MACHINE:
            lines += _machine_rows(key, speeds) if task.has_recipes else []
        else:
            lines += _measured_rows(key, task, others)
    for epochs in [*task.protocols(), *others]:
        lines.append((RUNS, ours_heading(epochs), partial(_protocol, epochs=epochs)))
    rows = [[quantity, whose, *map(cell, columns)] for quantity, whose, cell in lines]
    headings = ["Quantity", "Whose", *(column.heading for column in columns)]
    title = f"{task.title} (best test epoch)"
    pages = _pages(task.title, rows, [column.heading for column in columns])
    return Table(task.name, title, headings, [Part("", rows)], notes(task, columns, speeds), pages)


def _pages(title: str, rows: list[list[str]], methods: list[str]) -> list[Table]:
    """The same numbers as one table per quantity, with one row per method."""
    pages = []
    for quantity in dict.fromkeys(row[0] for row in rows):
        whose = [row[1:] for row in rows if row[0] == quantity]
        lines = [[method, *(cells[place] for _, *cells in whose)] for place, method in enumerate(methods)]
        heads = tuple(head for head, *_ in whose)
        page = Table("page", f"{title}: {quantity}", ["Method", *heads], [Part("", lines)])
        pages.append(replace(page, keyed=heads) if quantity == RUNS else page)
    return pages


def _machine_rows(key: str, speeds: Speeds) -> list[Row]:
    """The rows of speed and memory that the bench measured, for snnbench and SpikingJelly."""
    heading, common = HEADINGS[key], {"key": key, "speeds": speeds}
    return [
        (heading, "ours", partial(_speed, **common, engine=OURS)),
        (heading, "ours / survey", partial(_ratio, **common)),
        (heading, "SpikingJelly", partial(_speed, **common, engine=PEER)),
        (heading, "ours / SpikingJelly", partial(_peer_ratio, **common)),
    ]


def _measured_rows(key: str, task: Task, others: list[int]) -> list[Row]:
    """Our rows from the records, by number of epochs. Accuracy also has rows for `others` epochs and the last epoch."""
    heading, (measure, digits) = HEADINGS[key], MEASURES.get(key, (_unmeasured, 2))
    if key == "sop" and not task.same_counter:
        measure = _unmeasured
    ours = partial(_ours, measure=measure, digits=digits, spikes=key == "sop")
    difference = partial(_difference, key=key, epochs=task.epochs, measure=measure, digits=digits)
    full, *shorter = [(heading, ours_heading(epochs), partial(ours, epochs=epochs)) for epochs in task.protocols()]
    rows: list[Row] = [full, (heading, f"difference, {task.epochs} epochs", difference), *shorter]
    if key == "top1":
        last = partial(_ours, measure=percent_last, digits=2)
        rows += [(heading, ours_heading(epochs), partial(ours, epochs=epochs)) for epochs in others]
        rows += [(heading, f"{ours_heading(e)}, last", partial(last, epochs=e)) for e in task.protocols()]
    if key == "sop" and task.same_counter:
        whole = partial(_ours, measure=operation("sop"), digits=3, spikes=True)
        rows += [(ALL_POSITIONS, ours_heading(epochs), partial(whole, epochs=epochs)) for epochs in task.protocols()]
    return rows


def _unmeasured(record: object) -> None:
    return None


def _published(column: Column, key: str) -> str:
    row = column.published.get(key)
    if row is None:
        return EMPTY
    value = row.value if key not in MACHINE else number(row.number, MACHINE[key])
    return value + ("" if row.is_verified else "†")


def _ours(column: Column, epochs: int, measure: Measure, digits: int, spikes: bool = False) -> str:
    """`spikes` is True for a quantity that counts spikes, which the ANN has not."""
    group = column.runs.get(epochs)
    return EMPTY if group is None or (spikes and not column.is_spiking) else group.text(measure, digits)


def _difference(column: Column, key: str, epochs: int, measure: Measure, digits: int) -> str:
    group, row = column.runs.get(epochs), column.published.get(key)
    mean = group.mean(measure) if group else None
    return EMPTY if mean is None or row is None else signed(mean - row.number, digits)


def _speed(column: Column, key: str, speeds: Speeds, engine: str) -> str:
    value = None if column.is_changed else speeds.of(column.recipe, key, engine)
    return EMPTY if value is None else number(value, MACHINE[key])


def _ratio(column: Column, key: str, speeds: Speeds) -> str:
    row, value = column.published.get(key), speeds.of(column.recipe, key)
    return EMPTY if value is None or row is None else f"{value / row.number:.2f}"


def _peer_ratio(column: Column, key: str, speeds: Speeds) -> str:
    ours, peer = speeds.of(column.recipe, key), speeds.of(column.recipe, key, PEER)
    return EMPTY if column.is_changed or ours is None or peer is None else f"{ours / peer:.2f}"


def _protocol(column: Column, epochs: int) -> str:
    group = column.runs.get(epochs)
    if group is None:
        return EMPTY
    record = group.first
    parts = [f"{group.seeds} seed{'s' if group.seeds > 1 else ''}"]
    parts += [f"split {name}" for name in group.splits[:1]]
    parts += [f"{len(group.splits)} splits"] if len(group.splits) > 1 else []
    parts += [*group.devices, record.device.get("precision") or ""]
    parts += ["uncommitted code"] if any(r.git_dirty for r in group.records) else []
    return ", ".join(part for part in parts if part)
