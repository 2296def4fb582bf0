"""What a teacher is: a frozen network that sees the student's batch and tells an objective what it made of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from snnbench.objectives.distillation import Distillation, Lesson
from snnbench.objectives.taps import Taps


class Teacher(nn.Module):
    """`(x, x_seq) -> logits [T', N, K]` without gradient, always in evaluation mode.

    Whoever holds a teacher keeps it out of its own parameters: it is not trained, not saved, not counted.

    Args:
        model: `[T', N, C, H, W] -> [T', N, K]`.
        encoder: batch -> what `model` takes; None: the teacher sees the student's own encoded sequence.
    """

    def __init__(self, model: nn.Module, encoder: nn.Module | None):
        super().__init__()
        self.model, self.encoder = model, encoder
        self.requires_grad_(False)
        self.eval()

    def encoded(self, x: Tensor, x_seq: Tensor) -> Tensor:
        """The sequence that the teacher sees. x: the student's batch, augmented and mixed; x_seq: encoded for it."""
        return x_seq if self.encoder is None else self.encoder(x)

    def forward(self, x: Tensor, x_seq: Tensor) -> Tensor:
        with torch.no_grad():
            return self.model(self.encoded(x, x_seq))

    def lesson(self, objective: Distillation, x: Tensor, x_seq: Tensor) -> Lesson:
        """What the teacher makes of a batch, and what its layers show of it; the student's side is still empty."""
        signals = () if objective.asks is None else (objective.asks,)
        with Taps(self.model, objective.teacher_layers, signals) as taps:
            logits = self(x, x_seq)
        shown = taps.values()
        return Lesson(logits, [shown[signal][name] for signal in signals for name in objective.teacher_layers])

    def train(self, mode: bool = True) -> Teacher:
        return super().train(False)

    def __deepcopy__(self, memo: dict) -> Teacher:
        return self  # frozen: an averaged copy of the trainer's module shares it
