"""What an objective takes beside logits and target: what it sees of the student, and what a teacher makes of it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from torch import Tensor, nn

from snnbench.objectives.base import Objective
from snnbench.objectives.taps import Taps


@contextmanager
def lessons(
    student: nn.Module, objective: Objective, x: Tensor, x_seq: Tensor, teacher: nn.Module | None = None
) -> Iterator[Callable[[], tuple]]:
    """Inside, run the student on `x_seq`; then call what this gives for the rest of the objective's arguments.

    They are none, or what the student has shown since the last call (`Seen`), or with a teacher a `Lesson`.

    Args:
        student: The network that learns.
        objective: A prepared objective; what it does not ask for is not collected.
        x: The batch, augmented and mixed, as a teacher with an encoder of its own takes it.
        x_seq: The same, encoded for the student, `[T, N, C, H, W]`.
        teacher: A `snnbench.teachers.base.Teacher`, or None.
    """
    lesson = None if teacher is None else teacher.lesson(objective, x, x_seq)
    with Taps(student, objective.layers or (), objective.sees) as taps:

        def beside() -> tuple:
            seen = taps.values()
            if lesson is None:
                return (seen,) if objective.sees else ()
            shown = [seen[signal][name] for signal in objective.sees for name in objective.layers]
            return (replace(lesson, student=shown),)

        yield beside
