"""The tables of the survey, the lengths of their runs, and the labels of our rows in them."""

from __future__ import annotations

from dataclasses import dataclass

SHORT = 32  # the epochs of the short runs


@dataclass(frozen=True)
class Task:
    """One of the survey's tables.

    Args:
        name: The name of our file.
        title: The title of the table.
        epochs: The number of epochs of a full run.
        has_recipes: Whether snnbench has recipes for the rows of the table.
    """

    name: str
    title: str
    epochs: int
    has_recipes: bool = False

    @property
    def same_counter(self) -> bool:
        """Whether the table's SOPs were counted in the same way as `sop_survey`."""
        return self.has_recipes

    def protocols(self) -> list[int]:
        """The lengths of our runs that have their own rows, in epochs."""
        return [self.epochs, SHORT] if self.has_recipes else [self.epochs]


TASKS = {  # task, as the ids of published rows name it
    "cifar10": Task("survey_cifar10", "The survey's CIFAR-10 table", 256, True),
    "sequential_cifar10": Task("survey_sequential_cifar10", "The survey's sequential CIFAR-10 table", 256, True),
    "shd": Task("survey_shd", "The survey's SHD table", 150),
    "gen1_detection": Task("survey_gen1", "The survey's Gen1 detection table", 50),
}
ALL_POSITIONS = "SOP, all positions (M)"


def ours_heading(epochs: int) -> str:
    """The label of our row for runs of this length. The README's excerpt uses it, too."""
    return f"ours, {epochs} epochs"
