"""The arguments of an objective besides logits and target: signals of the student, and the output of a teacher."""

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
    """Context manager that yields a function `beside`. Run the student on `x_seq`, then call `beside()`.

    It returns the remaining arguments of the objective as a tuple: none, or the signals that were collected since the
    last call (`Seen`), or with a teacher a `Lesson`.

    Args:
        student: The network that is trained.
        objective: A prepared objective; only the signals that it names are collected.
        x: The augmented and mixed batch, for a teacher with an encoder of its own.
        x_seq: The same batch, encoded for the student, `[T, N, C, H, W]`.
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
