"""The base class of distillation losses, and the choice of the layers that they compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from snnbench.errors import ConfigError
from snnbench.objectives.base import Loss, Objective
from snnbench.objectives.taps import Outline, Signal
from snnbench.temporal import full_precision


@dataclass(frozen=True)
class Lesson:
    """The teacher's logits and the signals of both networks for one batch; the teacher's have no gradient.

    Args:
        logits: The logits `[T', N, K]` of the teacher.
        teacher: The signal `[T', N, C, *]` of the teacher's layer in each pair of layers.
        student: The signal `[T, N, C, *]` of the student's layer in each pair of layers.
    """

    logits: Tensor
    teacher: list[Tensor] = field(default_factory=list)
    student: list[Tensor] = field(default_factory=list)


class Distillation(Objective):
    """`forward(logits [T, N, K], target [N] or [N, K], lesson) -> (loss, parts)`.

    `prepare` sets `layers` and `teacher_layers`, the names of the layers that are compared in pairs.

    Attributes:
        sees: The one signal that is collected from the student's layers, or empty if only logits are compared.
        asks: The signal that is collected from the teacher's layers, or None.

    Args:
        label_smoothing: The share of the target that is spread evenly over the classes; it does not change the
            teacher's part.
    """

    traits = ("needs_teacher",)
    requires = {  # noqa: RUF012
        "teacher": "it compares with a teacher; add teacher=run teacher.run=<folder of a finished run>",
    }
    rejects = {  # noqa: RUF012
        "online": "distillation compares whole sequences and this rule sees one time step at a time; use rule=bptt",
    }
    asks: Signal | None = None

    def __init__(self, label_smoothing: Annotated[float, "in [0, 1)"] = 0.0):
        super().__init__()
        self.label_smoothing = label_smoothing
        self.layers: list[str] = []
        self.teacher_layers: list[str] = []

    def prepare(self, student: Outline, teacher: Outline) -> None:
        """Choose the layers to compare; raises ConfigError if the two networks cannot be compared."""

    def forward(self, logits: Tensor, target: Tensor, lesson: Lesson) -> Loss:
        raise NotImplementedError(f"{type(self).__name__} must define forward(logits, target, lesson)")

    def task_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Cross entropy of the time-averaged logits with the label."""
        return F.cross_entropy(full_precision(logits).mean(0), target, label_smoothing=self.label_smoothing)


def pairs_of(
    ours: list[str] | None, theirs: list[str] | None, student: Outline, teacher: Outline, default
) -> tuple[list[str], list[str]]:
    """The names of the compared layers of student and teacher; `default(outline) -> names` replaces missing ones.

    Raises:
        ConfigError: A name is no neuron layer, or the numbers of layers differ.
    """
    chosen = []
    for key, who, names, shape in (
        ("layers", "student", ours, student),
        ("teacher_layers", "teacher", theirs, teacher),
    ):
        names = default(shape) if names is None else names
        for name in names:
            if name not in shape.layers:
                raise ConfigError(
                    f"objective.{key}: {name} is no neuron layer of the {who}; there are {', '.join(shape.layers)}"
                )
        chosen.append(list(names))
    if len(chosen[0]) != len(chosen[1]) or not chosen[0]:
        raise ConfigError(
            f"{len(chosen[0])} layers of the student cannot be compared with {len(chosen[1])} of the teacher: name as "
            "many in objective.layers as in objective.teacher_layers"
        )
    return chosen[0], chosen[1]
