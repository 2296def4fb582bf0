"""A table for each data set: every published row with our result, then our runs without a published row."""

from __future__ import annotations

from snnbench.tables.cells import EMPTY
from snnbench.tables.groups import Group, percent_best, percent_last, signed
from snnbench.tables.render import Part, Table
from snnbench.tables.reported import Reported

DATASET_TABLES = {  # table -> (data set name in the published rows, name of the data component)
    "cifar10": ("CIFAR-10", "cifar10"),
    "cifar100": ("CIFAR-100", "cifar100"),
    "imagenet": ("ImageNet", "imagenet"),
    "cifar10_dvs": ("CIFAR10-DVS", "cifar10_dvs"),
    "dvs_gesture": ("DVS128 Gesture", "dvs_gesture"),
}
COLUMNS = ["System", "Paper", "Architecture", "T", "Neuron", "Params (M)", "Reported (%)", "Ours, best test epoch (%)",
           "Ours, last epoch (%)", "Difference", "Seeds", "Protocol"]  # fmt: skip
NO_SPLIT = "cifar10_dvs"
NOTES = [
    "Accuracy is that of the best test epoch, which is what papers print (it is chosen on the test set); the last "
    "epoch's stands beside it. Mean ± sample standard deviation over seeds.",
    "Difference = ours (best test epoch) - reported, in points. A run shorter than its recipe is marked with its "
    "epochs, in the difference too: such a difference says nothing about the method.",
    "† not verified: recalled or from disagreeing secondary sources; results/reported holds every row's source.",
]
SPLIT_NOTE = (
    "‡ CIFAR10-DVS has no official split and the published rows use different ones: a difference holds only as far as "
    "the splits agree. Ours names its split and the start of its hash; a mean over several splits tells how many."
)


def _marked(text: str, mark: str) -> str:
    return text if text == EMPTY else text + mark


def _reported_cells(row: Reported) -> list[str]:
    paper = ", ".join(part for part in (row.first_author, row.venue, row.year) if part not in ("", "-"))
    cells = [row.key, paper, row.architecture, row.T, row.neuron, row.params_M, row.marked]
    return [cell or EMPTY for cell in cells]


def _ours_cells(group: Group | None, row: Reported | None, split_mark: str) -> list[str]:
    if group is None:
        return [EMPTY] * 5
    if split_mark and len(group.splits) > 1:
        split_mark += f" ({len(group.splits)} splits)"
    best, mean = group.text(percent_best), group.mean(percent_best)
    difference = EMPTY if row is None or mean is None else signed(mean - row.number) + split_mark + group.mark
    best = _marked(best, split_mark + group.mark)
    return [
        best,
        _marked(group.text(percent_last), split_mark + group.mark),
        difference,
        str(group.seeds),
        group.protocol(),
    ]


def unpublished_cells(group: Group) -> list[str]:
    """The first seven cells of a row for a run that reproduces no published row."""
    record, choices = group.first, group.first.choices
    what = [choices[axis] for axis in ("method", "rule", "objective", "norm") if choices.get(axis)]
    parameters = f"{record.parameters / 1e6:.2f}" if record.parameters else EMPTY
    name = record.name if not record.reproduces else f"{record.name} (unknown published row {record.reproduces})"
    time_steps = str(record.time_steps) if record.time_steps else EMPTY
    return [name, "ours" + (": " + ", ".join(dict.fromkeys(what)) if what else ""), choices.get("model") or EMPTY,
            time_steps, choices.get("neuron") or EMPTY, parameters, EMPTY]  # fmt: skip


def _table_of(group: Group) -> str:
    """The name of the table that lists a run without a published row."""
    name = group.first.choices.get("data")
    if group.first.choices.get("encoder") == "column":
        return "other"  # sequential CIFAR is a different task from CIFAR
    return next((table for table, (_, data) in DATASET_TABLES.items() if data == name), "other")


def published_tables(reported: dict[str, Reported], groups: list[Group]) -> list[Table]:
    """The tables of the five main data sets, and the table `other`."""
    by_id: dict[str, list[Group]] = {}
    unpublished: dict[str, list[Group]] = {}
    for group in groups:
        row = reported.get(group.first.reproduces or "")
        if row is None:
            unpublished.setdefault(_table_of(group), []).append(group)
        else:
            by_id.setdefault(_accuracy_id(row, reported), []).append(group)
    rows = [row for row in reported.values() if row.quantity == "top1" and not row.same_as]
    names = {published: table for table, (published, _) in DATASET_TABLES.items()}
    return [
        _table(name, [row for row in rows if names.get(row.dataset, "other") == name], by_id, unpublished.get(name, []))
        for name in [*DATASET_TABLES, "other"]
    ]


def _accuracy_id(row: Reported, reported: dict[str, Reported]) -> str:
    """The id of the table row for a published number: that of the row it repeats, or of the survey's top-1 accuracy."""
    row = reported.get(row.same_as, row)
    if row.key == "survey" and row.quantity != "top1":
        return row.id.rsplit("/", 1)[0] + "/top1"
    return row.id


def _table(name: str, rows: list[Reported], by_id: dict[str, list[Group]], unpublished: list[Group]) -> Table:
    is_other, split_mark = name == "other", "‡" if name == NO_SPLIT else ""
    dataset = "other data sets" if is_other else DATASET_TABLES[name][0]
    lines = []
    for row in sorted(rows, key=lambda row: (row.dataset.lower() if is_other else "", row.sort_key())):
        for group in by_id.get(row.id) or [None]:
            cells = _reported_cells(row) + _ours_cells(group, row, split_mark)
            lines.append([row.dataset, *cells] if is_other else cells)
    parts = [Part("", lines)]
    extra = []
    for group in sorted(unpublished, key=lambda g: (_data_name(g), sorted(g.first.choices.items()), g.sort_key())):
        cells = unpublished_cells(group) + _ours_cells(group, None, split_mark)
        extra.append([_data_name(group), *cells] if is_other else cells)
    if extra:
        parts.append(Part("our runs without a published row", extra))
    columns = ["Data set", *COLUMNS] if is_other else list(COLUMNS)
    notes = [*NOTES, SPLIT_NOTE] if split_mark else list(NOTES)
    return Table(name, f"Top-1 accuracy on {dataset}: published and ours (best test epoch)", columns, parts, notes)


def _data_name(group: Group) -> str:
    name = group.first.choices.get("data") or group.first.data.get("name") or EMPTY
    return f"sequential {name}" if group.first.choices.get("encoder") == "column" else name
