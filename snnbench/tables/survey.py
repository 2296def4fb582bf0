"""The survey's comparison tables in its own layout: one column a method, its quantities as rows, theirs and ours.

Ours stands there by protocol: the recipe's full length and one short length common to all methods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from snnbench.tables.cells import EMPTY
from snnbench.tables.groups import Group, Measure, number, operation, percent_best, percent_last, signed
from snnbench.tables.ranks import LEAST, spearman
from snnbench.tables.render import Part, Table
from snnbench.tables.reported import Reported
from snnbench.tables.speeds import OURS, PEER, Speeds
from snnbench.tables.survey_columns import MARK, Column, columns_of

SHORT = 32  # epochs of the common short protocol


@dataclass(frozen=True)
class Task:
    """One of the survey's tables: our file's name, title, epochs of the full protocol, whether we have recipes for it.

    same_counter: its SOPs were counted as `sop_survey` counts.
    """

    name: str
    title: str
    epochs: int
    has_recipes: bool = False

    @property
    def same_counter(self) -> bool:
        return self.has_recipes

    def protocols(self) -> list[int]:
        return [self.epochs, SHORT] if self.has_recipes else [self.epochs]


TASKS = {  # task in the ids of published rows
    "cifar10": Task("survey_cifar10", "The survey's CIFAR-10 table", 256, True),
    "sequential_cifar10": Task("survey_sequential_cifar10", "The survey's sequential CIFAR-10 table", 256, True),
    "shd": Task("survey_shd", "The survey's SHD table", 150),
    "gen1_detection": Task("survey_gen1", "The survey's Gen1 detection table", 50),
}
HEADINGS = {
    "top1": "Top-1 (%)", "pretraining_top1": "Pre-training top-1 (%)", "map50": "mAP50", "map50_95": "mAP50-95",
    "sop": "SOP (M)", "train_speed": "Train samples/s", "test_speed": "Test samples/s",
    "gpu_memory": "GPU memory (MB)",
}  # fmt: skip
MEASURES: dict[str, tuple[Measure, int]] = {"top1": (percent_best, 2), "sop": (operation("sop_survey"), 3)}
MACHINE = {"train_speed": 0, "test_speed": 0, "gpu_memory": 0}  # digits of ours
RUNS = "Runs"
ALL_POSITIONS = "SOP, all positions (M)"
NOTES = [
    "Survey: its own experiments, one seed each, accuracy of the best test epoch; differences under about 0.3 points "
    "are noise. Ours: the same choice of epoch, mean ± sample standard deviation over seeds; difference is ours less "
    "the survey's.",
]
SHORT_NOTE = (
    f"Short protocol: the same recipe over {SHORT} epochs (its cosine too), for every method. It ranks methods; its "
    "accuracies are not to be compared with the survey's."
)
SOP_NOTES = {
    True: f"SOP (M): counted as the survey's script counts, whose convolutions' FLOPs lack one spatial axis; "
    f"{ALL_POSITIONS} is dense MACs x firing rate over the whole feature map.",
    False: "The survey counts these SOPs with another script than its CIFAR ones (for SHD a time step instead of the "
    "whole sample, first layer included); ours is left out until it counts the same.",
}


def survey_tables(
    reported: dict[str, Reported],
    groups: list[Group],
    speeds: Speeds | None = None,
    remarks: dict[str, list[str]] | None = None,
) -> list[Table]:
    """One table a task of the survey. A run belongs to the method whose row (any quantity) it reproduces.

    remarks: table name -> sentences written by hand (why a difference is there), printed below the table.
    """
    speeds, tables = speeds or Speeds(), []
    for key, task in TASKS.items():
        tables.append(_table(task, columns_of(key, reported, groups, speeds), speeds))
        tables[-1].notes += (remarks or {}).get(task.name, [])
    return tables


def ours_heading(epochs: int) -> str:
    """How a row of ours is called, as the README's excerpt looks it up too."""
    return f"ours, {epochs} epochs"


Row = tuple[str, str, Callable[[Column], str]]  # quantity, whose, a column's cell


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
    return Table(task.name, title, headings, [Part("", rows)], _notes(task, columns, speeds), pages)


def _pages(title: str, rows: list[list[str]], methods: list[str]) -> list[Table]:
    """The same numbers with a row a method and a table a quantity."""
    pages = []
    for quantity in dict.fromkeys(row[0] for row in rows):
        whose = [row[1:] for row in rows if row[0] == quantity]
        lines = [[method, *(cells[place] for _, *cells in whose)] for place, method in enumerate(methods)]
        heads = tuple(head for head, *_ in whose)
        page = Table("page", f"{title}: {quantity}", ["Method", *heads], [Part("", lines)])
        pages.append(replace(page, keyed=heads) if quantity == RUNS else page)
    return pages


def _machine_rows(key: str, speeds: Speeds) -> list[Row]:
    """Ours and SpikingJelly's by the bench."""
    heading, common = HEADINGS[key], {"key": key, "speeds": speeds}
    return [
        (heading, "ours", partial(_speed, **common, engine=OURS)),
        (heading, "ours / survey", partial(_ratio, **common)),
        (heading, "SpikingJelly", partial(_speed, **common, engine=PEER)),
        (heading, "ours / SpikingJelly", partial(_peer_ratio, **common)),
    ]


def _measured_rows(key: str, task: Task, others: list[int]) -> list[Row]:
    """Ours from the records by protocol; accuracy also of runs of `others` epochs, and of the last epoch."""
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
    """spikes: the quantity counts spikes, which the ANN twin has none of."""
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


def _notes(task: Task, columns: list[Column], speeds: Speeds) -> list[str]:
    notes = list(NOTES)
    if task.has_recipes:
        notes += [SHORT_NOTE, *_rank_notes(task, columns)]
        notes += _switch_notes(columns)
        notes.append(speeds.note())
    if any("sop" in column.published for column in columns):
        notes.append(SOP_NOTES[task.same_counter])
    return notes


def _rank_notes(task: Task, columns: list[Column]) -> list[str]:
    """Spearman's correlation of our accuracies with the survey's, one sentence a protocol that has enough methods."""
    found = []
    for epochs in task.protocols():
        pairs = [
            (column.label, column.runs[epochs].mean(percent_best), column.published["top1"].number)
            for column in columns
            if column.is_own and column.is_spiking and epochs in column.runs and "top1" in column.published
        ]
        pairs = [pair for pair in pairs if pair[1] is not None]
        rho = spearman([ours for _, ours, _ in pairs], [theirs for *_, theirs in pairs])
        if rho is not None:
            methods = ", ".join(label for label, *_ in pairs)
            found.append(
                f"{ours_heading(epochs)}, and the survey: {rho:+.2f} over n = {len(pairs)} methods ({methods})."
            )
    if not found:
        return [f"Rank correlation with the survey: none yet, fewer than {LEAST} methods have been run."]
    return [f"Spearman's rank correlation of top-1 between {sentence}" for sentence in found]


def _switch_notes(columns: list[Column]) -> list[str]:
    switched = [f"{column.label}: {', '.join(column.switches)}" for column in columns if column.switches]
    if not switched:
        return []
    return [
        f"{MARK} A defect of the survey's code repeated by a named switch ({'; '.join(switched)}); the survey's figure "
        "was measured with it, unless a note here says otherwise. The method's own column is the method as its paper "
        "states it."
    ]
