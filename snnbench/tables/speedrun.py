"""Speed runs (`experiment=speedrun/...`): how fast a spiking network reaches an accuracy on one GPU."""

from __future__ import annotations

from snnbench.tables.cells import EMPTY
from snnbench.tables.groups import Group, number, percent_last
from snnbench.tables.render import Part, Table

NAME = "speedrun"
FOLDER = "speedrun/"
COLUMNS = ["Recipe", "Model", "Neuron", "T", "Last epoch (%)", "Lowest seed (%)", "Highest seed (%)", "Mirrored (%)",
           "Seeds", "Seconds", "Train samples/s", "Peak memory (MB)", "Params", "Protocol"]  # fmt: skip
NOTES = [
    "Mean ± sample standard deviation over seeds of the last epoch's test accuracy; nothing is chosen on the test set.",
    "Mirrored: logits averaged over each image and its mirror image, as DAWNBench's contest and its successors test; "
    "the other columns see each image once.",
    "Seconds: all training and every test of a single view, data resident on the device, kernels compiled and graphs "
    "captured in the first epoch; starting Python, reading the data and writing checkpoints are left out.",
]


def is_speedrun(group: Group) -> bool:
    """Whether a run is a speed run. Speed runs appear in this table and not in that of their data set."""
    return (group.first.experiment or "").startswith(FOLDER)


def speedrun_table(groups: list[Group]) -> Table:
    """One row for each speed-run recipe, or variant, with a record; without records, one row of empty cells."""
    found = sorted((group for group in groups if is_speedrun(group)), key=Group.sort_key)
    rows = [_row(group) for group in found] or [[EMPTY] * len(COLUMNS)]
    return Table(NAME, "Speed runs", list(COLUMNS), [Part("", rows)], list(NOTES))


def _row(group: Group) -> list[str]:
    record = group.first
    last = [found.acc_last for found in group.records]
    measured = None not in last
    return [
        record.experiment + group.mark,
        *(record.choices.get(axis) or EMPTY for axis in ("model", "neuron")),
        str(record.time_steps or EMPTY),
        group.text(percent_last),
        number(min(last), 2) if measured else EMPTY,
        number(max(last), 2) if measured else EMPTY,
        group.text(lambda r: r.acc_mirrored),
        str(group.seeds),
        group.machine_text(lambda r: r.epochs_s, 1),
        group.machine_text(lambda r: r.train_samples_per_s, 0),
        group.machine_text(lambda r: r.peak_memory_mb, 0),
        f"{record.parameters:,}" if record.parameters else EMPTY,
        group.protocol(shown=("model", "neuron")),
    ]
