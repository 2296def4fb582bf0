"""Teachers: frozen networks that run on the student's batch in distillation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from snnbench.objectives.distillation import Distillation, Lesson
from snnbench.objectives.taps import Taps


class Teacher(nn.Module):
    """`(x, x_seq) -> logits [T', N, K]` without gradient, always in evaluation mode.

    A module that holds a teacher must not register it as a submodule, so that it is neither trained, saved nor counted.

    Args:
        model: The network `[T', N, C, H, W] -> [T', N, K]`.
        encoder: Encodes the batch for `model`; None gives the teacher the sequence that was encoded for the student.
    """

    def __init__(self, model: nn.Module, encoder: nn.Module | None):
        super().__init__()
        self.model, self.encoder = model, encoder
        self.requires_grad_(False)
        self.eval()

    def encoded(self, x: Tensor, x_seq: Tensor) -> Tensor:
        """The teacher's input, from the augmented and mixed batch `x` and its encoding `x_seq` for the student."""
        return x_seq if self.encoder is None else self.encoder(x)

    def forward(self, x: Tensor, x_seq: Tensor) -> Tensor:
        with torch.no_grad():
            return self.model(self.encoded(x, x_seq))

    def lesson(self, objective: Distillation, x: Tensor, x_seq: Tensor) -> Lesson:
        """The teacher's logits and signals for a batch; the student's signals are still empty."""
        signals = () if objective.asks is None else (objective.asks,)
        with Taps(self.model, objective.teacher_layers, signals) as taps:
            logits = self(x, x_seq)
        shown = taps.values()
        return Lesson(logits, [shown[signal][name] for signal in signals for name in objective.teacher_layers])

    def train(self, mode: bool = True) -> Teacher:
        return super().train(False)

    def __deepcopy__(self, memo: dict) -> Teacher:
        return self  # a teacher never changes, so copies of the training module share it
