"""Distillation of output trains (Distilling Spikes, Kushawaha et al., ICPR 2020, arXiv:2005.00288): a reconstruction.

We could read only the abstract of the paper, so the formulas, the names of the modes and the defaults are ours:

    c^(k) = sum of the outputs in window k (length w, stride s);   w = T: the full window
    L = (1 - lam) CE(mean_t o_t, y) + lam sum_k D(c_S^(k), c_T^(k))
    D = ||c_S - c_T||^2, or the cross entropy of softmax(c / tau) ("heating")

The paper compares output spikes; the readout here does not spike, so its logits of each step are compared. The teacher
is a spiking network with the same T. For a chain of teacher, intermediate network and student, train one after the
other.
"""

from __future__ import annotations

from typing import Annotated, Literal

from torch import Tensor

from snnbench.errors import ConfigError
from snnbench.objectives.base import Loss
from snnbench.objectives.distillation import Distillation, Lesson
from snnbench.objectives.taps import Outline
from snnbench.temporal import full_precision


class SpikeTrainDistillation(Distillation):
    """`(logits [T, N, K], target, lesson with logits [T, N, K]) -> (loss, {"ce", "train"})`.

    Args:
        lam: The weight of the teacher's part; the label's part has the weight 1 - lam.
        mode: "full" uses one window over all steps, "sliding" several overlapping ones.
        window: The length of a sliding window, in time steps; null takes half of T.
        stride: The number of time steps from one sliding window to the next.
        distance: The distance between outputs, "squared_l2" (sum over classes, mean over samples) or "heating".
        temperature: The temperature tau of the distance "heating".

    Raises:
        ConfigError: The teacher has another T, or the window is longer than T.
    """

    def __init__(
        self,
        lam: Annotated[float, "in [0, 1]"] = 0.5,
        mode: Literal["full", "sliding"] = "sliding",
        window: Annotated[int, ">= 1"] | None = None,
        stride: Annotated[int, ">= 1"] = 1,
        distance: Literal["squared_l2", "heating"] = "squared_l2",
        temperature: Annotated[float, "> 0"] = 4.0,
        **rest,
    ):
        super().__init__(**rest)
        self.lam, self.mode, self.window, self.stride = lam, mode, window, stride
        self.distance, self.temperature = distance, temperature

    def prepare(self, student: Outline, teacher: Outline) -> None:
        if student.time_steps != teacher.time_steps:
            raise ConfigError(
                f"objective=kd_spike_train compares trains of one length and the teacher has T={teacher.time_steps}: "
                f"use a teacher of T={student.time_steps}, or objective=kd_response"
            )
        if self.mode == "sliding" and self.window is not None and self.window > student.time_steps:
            raise ConfigError(f"objective.window={self.window} is longer than T={student.time_steps}: shorten it")

    def forward(self, logits: Tensor, target: Tensor, lesson: Lesson) -> Loss:
        ours, theirs = (self.windowed(full_precision(train)) for train in (logits, lesson.logits))
        if self.distance == "squared_l2":
            train = (ours - theirs).square().sum((0, 2)).mean()
        else:
            wished = (theirs / self.temperature).softmax(2)
            train = -(wished * (ours / self.temperature).log_softmax(2)).sum((0, 2)).mean()
        ce = self.task_loss(logits, target)
        return (1 - self.lam) * ce + self.lam * train, {"ce": ce, "train": train}

    def windowed(self, trains: Tensor) -> Tensor:
        """The sum of the outputs `[T, N, K]` in each window, `[windows, N, K]`."""
        steps = len(trains)
        length = steps if self.mode == "full" else self.window or max(steps // 2, 1)
        return trains.unfold(0, length, steps if self.mode == "full" else self.stride).sum(-1)
