"""Compare neurons and surrogates under one protocol (`experiment=neurons/cifar10`).

One row for each neuron and surrogate with a record, then the systems that need their own network. Runs of other
recipes are not shown.
"""

from __future__ import annotations

from snnbench.tables.cells import EMPTY
from snnbench.tables.groups import Group, operation, percent_best, percent_last
from snnbench.tables.render import Part, Table

NAME = "neurons_cifar10"
RECIPE = "neurons/cifar10"
OWN_NETS = ("slayer/digits", "superspike/digits", "stbp/digits", "s4nn/digits")
SHOWN = ("neuron", "surrogate")  # the axes in which the rows of RECIPE differ
COLUMNS = ["Recipe", "Data", "Model", "Neuron", "Surrogate", "T", "Best test epoch (%)", "Last epoch (%)", "Seeds",
           "SOP (M)", "Train samples/s", "Peak memory (MB)", "Params", "Protocol"]  # fmt: skip
NOTES = [
    f"{RECIPE}: one network, data, augmentation, optimiser and length of training for all; only neuron and surrogate "
    "differ. It ranks them under equal conditions: it is short, and nobody's hyper-parameters were tuned, so it says "
    "nothing of what a paper reports for its own setting.",
    "Accuracy: mean ± sample standard deviation over seeds, of the best test epoch (chosen on the test set) and of the "
    "last one. A run that changed anything else, or ran fewer epochs, is marked.",
    "SOP (millions a sample) = dense MACs x firing rate over the whole feature map. Training speed with data loading, "
    "median over epochs; memory is PyTorch's peak in the whole run. Both hold for the device of the row.",
    "On their own nets: SLAYER, SuperSpike, STBP's small net and S4NN read out, encode or train in ways that the CSNN "
    "does not fit. MNIST is not at hand here, so they run on scikit-learn's scanned digits (8x8, a fold a seed): not "
    "to be compared with the rows above or with their papers. S4NN's closed form uses no surrogate, whatever it names.",
]


def is_compared(group: Group) -> bool:
    """Whether a run follows the common protocol. Such runs appear in this table and not in that of their data set."""
    return group.first.experiment == RECIPE


def neurons_table(groups: list[Group]) -> Table:
    """The comparison table. A recipe without a record is a row of empty cells."""
    compared = sorted((group for group in groups if is_compared(group)), key=_order)
    rows = [_row(group, SHOWN) for group in compared] or [_empty(RECIPE)]
    own = []
    for recipe in OWN_NETS:
        found = sorted((group for group in groups if group.first.experiment == recipe), key=_order)
        own += [_row(group) for group in found] or [_empty(recipe)]
    title = "Neurons and surrogates compared: the survey's CSNN on CIFAR-10, one short protocol"
    return Table(NAME, title, list(COLUMNS), [Part("", rows), Part("on their own nets", own)], list(NOTES))


def _order(group: Group) -> tuple:
    choices = group.first.choices
    return choices.get("neuron") or "", choices.get("surrogate") or "", group.marked(SHOWN), group.sort_key()


def _empty(recipe: str) -> list[str]:
    return [recipe, *[EMPTY] * (len(COLUMNS) - 1)]


def _row(group: Group, shown: tuple[str, ...] = ()) -> list[str]:
    record, mark = group.first, group.marked(shown)
    best, last = (group.text(measure) for measure in (percent_best, percent_last))
    return [
        record.experiment or record.name,
        *(record.choices.get(axis) or EMPTY for axis in ("data", "model", "neuron", "surrogate")),
        str(record.time_steps or EMPTY),
        best if best == EMPTY else best + mark,
        last if last == EMPTY else last + mark,
        str(group.seeds),
        group.text(operation("sop"), 3),
        group.machine_text(lambda r: r.train_samples_per_s, 0),
        group.machine_text(lambda r: r.peak_memory_mb, 0),
        f"{record.parameters:,}" if record.parameters else EMPTY,
        group.protocol(shown=("data", "model", "neuron", "surrogate", "T")),
    ]
