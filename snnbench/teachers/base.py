"""What a teacher is: a frozen network that sees the student's batch and tells an objective what it made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

    @contextmanager
    def lesson(
        self, student: nn.Module, objective: Distillation, x: Tensor, x_seq: Tensor
    ) -> Iterator[Callable[[], tuple[Lesson]]]:
        """Inside, run the student on `x_seq`; then call what this gives for the objective's third argument."""
        if objective.signals is None:
            taught = Lesson(self(x, x_seq))
            yield lambda: (taught,)
            return
        (ours, theirs), (signal, their_signal) = objective.layers, objective.signals
        with Taps(self.model, theirs, their_signal) as shown:
            logits = self(x, x_seq)
        with Taps(student, ours, signal) as taps:
            yield lambda: (Lesson(logits, shown.values(), taps.values()),)

    def train(self, mode: bool = True) -> Teacher:
        return super().train(False)

    def __deepcopy__(self, memo: dict) -> Teacher:
        return self  # frozen: an averaged copy of the trainer's module shares it
