"""Which tables the survey has, how long their runs are, and how rows of ours are called in them."""

from __future__ import annotations

from dataclasses import dataclass

SHORT = 32  # epochs of the common short protocol


@dataclass(frozen=True)
class Task:
    """One of the survey's tables.

    Args:
        name: the name of our file.
        title: the table's title.
        epochs: how many epochs a run of the full protocol has.
        has_recipes: whether we have recipes for its rows.
    """

    name: str
    title: str
    epochs: int
    has_recipes: bool = False

    @property
    def same_counter(self) -> bool:
        """Whether its SOPs were counted as `sop_survey` counts."""
        return self.has_recipes

    def protocols(self) -> list[int]:
        """The lengths of our runs that have rows of their own, in epochs."""
        return [self.epochs, SHORT] if self.has_recipes else [self.epochs]


TASKS = {  # task in the ids of published rows
    "cifar10": Task("survey_cifar10", "The survey's CIFAR-10 table", 256, True),
    "sequential_cifar10": Task("survey_sequential_cifar10", "The survey's sequential CIFAR-10 table", 256, True),
    "shd": Task("survey_shd", "The survey's SHD table", 150),
    "gen1_detection": Task("survey_gen1", "The survey's Gen1 detection table", 50),
}
ALL_POSITIONS = "SOP, all positions (M)"


def ours_heading(epochs: int) -> str:
    """How a row of ours is called, as the README's excerpt looks it up too."""
    return f"ours, {epochs} epochs"
