"""The notes below the survey's tables: how the survey's and our values were measured, and their rank correlation."""

from __future__ import annotations

from snnbench.tables.groups import percent_best
from snnbench.tables.ranks import LEAST, spearman
from snnbench.tables.speeds import Speeds
from snnbench.tables.survey_columns import MARK, Column
from snnbench.tables.survey_tasks import ALL_POSITIONS, SHORT, Task, ours_heading

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


def notes(task: Task, columns: list[Column], speeds: Speeds) -> list[str]:
    """The sentences below one of the survey's tables."""
    notes = list(NOTES)
    if task.has_recipes:
        notes += [SHORT_NOTE, *_rank_notes(task, columns)]
        notes += _switch_notes(columns)
        notes.append(speeds.note())
    if any("sop" in column.published for column in columns):
        notes.append(SOP_NOTES[task.same_counter])
    return notes


def _rank_notes(task: Task, columns: list[Column]) -> list[str]:
    """Spearman's correlation of our accuracies with the survey's: one sentence per length with enough methods."""
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
