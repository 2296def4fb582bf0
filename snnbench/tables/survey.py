"""The survey's comparison tables: one row a method, its quantities reported and ours."""

from __future__ import annotations

from dataclasses import dataclass

from snnbench.records import RunRecord
from snnbench.tables.groups import Group, Measure, operation, percent_best, percent_last, signed
from snnbench.tables.render import EMPTY, Part, Table
from snnbench.tables.reported import Reported


@dataclass(frozen=True)
class Quantity:
    """A quantity of the survey and where our records hold it. compare: 'difference', 'ratio' or ''."""

    key: str
    heading: str
    ours: Measure
    digits: int
    compare: str
    is_machine: bool = False


def _not_recorded(record: RunRecord) -> None:
    return None


QUANTITIES = [
    Quantity("top1", "Top-1 (%)", percent_best, 2, "difference"),
    Quantity("pretraining_top1", "Pre-training top-1 (%)", _not_recorded, 2, "difference"),
    Quantity("map50", "mAP50", _not_recorded, 4, "difference"),
    Quantity("map50_95", "mAP50-95", _not_recorded, 4, "difference"),
    Quantity("sop", "SOP (M)", operation("sop_survey"), 3, "difference"),
    Quantity("train_speed", "Train samples/s", lambda r: r.train_samples_per_s, 1, "ratio", True),
    Quantity("test_speed", "Test samples/s", lambda r: r.test_samples_per_s, 1, "ratio", True),
    Quantity("gpu_memory", "GPU memory (MB)", lambda r: r.peak_memory_mb, 0, "ratio", True),
]
TITLES = {  # table in the ids -> (name of ours, title)
    "cifar10": ("survey_cifar10", "The survey's CIFAR-10 table"),
    "sequential_cifar10": ("survey_sequential_cifar10", "The survey's sequential CIFAR-10 table"),
    "shd": ("survey_shd", "The survey's SHD table"),
    "gen1_detection": ("survey_gen1", "The survey's Gen1 detection table"),
}
SAME_COUNTER = ("cifar10", "sequential_cifar10")  # tables whose SOPs were counted as `sop_survey` counts
NOTES = [
    "Reported: the survey's own experiments, one seed each, accuracy of the best test epoch; differences under about "
    "0.3 points are noise. Ours: best test epoch, mean ± sample standard deviation over seeds.",
    "A run shorter than the recipe is marked with its epochs, in the difference too: it then compares no methods.",
    "Speed and memory: ours / reported; the survey names no device for them, ours is in the protocol column.",
]
SOP_NOTES = {
    True: "SOP (M): counted as the survey's script counts, whose convolutions' FLOPs lack one spatial axis; SOP, all "
    "positions (M) is dense MACs x firing rate over the whole feature map.",
    False: "The survey counts these SOPs with another script than its CIFAR ones (for SHD a time step instead of the "
    "whole sample, first layer included); ours is left out until it counts the same.",
}


def survey_tables(reported: dict[str, Reported], groups: list[Group]) -> list[Table]:
    """One table a task of the survey. A group belongs to the method whose row (any quantity) it reproduces."""
    by_method: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        row = reported.get(group.first.reproduces or "")
        row = row and reported.get(row.same_as, row)
        if row and row.key == "survey":
            _, task, method, _ = row.id.split("/")
            by_method.setdefault((task, method), []).append(group)
    return [_table(task, reported, by_method) for task in TITLES]


def _table(task: str, reported: dict[str, Reported], by_method: dict[tuple[str, str], list[Group]]) -> Table:
    values: dict[str, dict[str, Reported]] = {}  # method -> quantity -> row, in the survey's column order
    for row in reported.values():
        if row.id.startswith(f"survey/{task}/"):
            values.setdefault(row.id.split("/")[2], {})[row.quantity] = row
    quantities = [quantity for quantity in QUANTITIES if any(quantity.key in rows for rows in values.values())]
    columns = ["Method"]
    for quantity in quantities:
        heading = quantity.heading
        columns += [f"{heading} reported", f"{heading} ours"]
        columns += [f"{heading} ours, last epoch"] if quantity.key == "top1" else []
        columns += [f"{heading} {'difference' if quantity.compare == 'difference' else 'ours / reported'}"]
    columns += ["SOP, all positions (M) ours", "Seeds", "Protocol"]
    lines = []
    for method, rows in values.items():
        for group in by_method.get((task, method)) or [None]:
            line = [next(iter(rows.values())).neuron]
            for quantity in quantities:
                line += _cells(quantity, rows.get(quantity.key), group, task)
            sop = group.text(operation("sop"), 3) if group else EMPTY
            lines.append([*line, sop, str(group.seeds) if group else EMPTY, group.protocol() if group else EMPTY])
    name, title = TITLES[task]
    notes = [*NOTES, SOP_NOTES[task in SAME_COUNTER]]
    return Table(name, f"{title} (best test epoch)", columns, [Part("", lines)], notes)


def _cells(quantity: Quantity, row: Reported | None, group: Group | None, task: str) -> list[str]:
    """reported, ours (for top-1 also the last epoch), and how they compare."""
    ours, last, compared = EMPTY, EMPTY, EMPTY
    other_counter = quantity.key == "sop" and task not in SAME_COUNTER
    if group is not None and not other_counter:
        text = group.machine_text if quantity.is_machine else group.text
        ours, mean = text(quantity.ours, quantity.digits), group.mean(quantity.ours)
        several_machines = quantity.is_machine and len(group.devices) != 1
        # A short run's speed and memory compare as well as a long one's.
        mark = "" if quantity.is_machine else group.mark
        if ours != EMPTY and not several_machines:
            ours += mark
            if row is not None and mean is not None:
                different = quantity.compare == "difference"
                compared = signed(mean - row.number, quantity.digits) if different else f"{mean / row.number:.2f}"
                compared += mark
        last = group.text(percent_last)
        last += mark if last != EMPTY else ""
    reported = EMPTY if row is None else row.value + ("" if row.is_verified else "†")
    return [reported, ours, last, compared] if quantity.key == "top1" else [reported, ours, compared]
