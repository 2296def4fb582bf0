"""Dropout whose mask stays the same over the time steps of a sample (Lee et al. 2020; SpikingJelly's layer.Dropout)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from snnbench.temporal import Temporal


class TemporalDropout(Temporal):
    """`[T, N, *]`, same shape; in training, a share `p` of a sample's inputs is 0 at all T, the rest times 1/(1-p)."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def initial_state(self, x_t: Tensor) -> Tensor | None:
        """The mask of all samples, or None if nothing is dropped."""
        return F.dropout(torch.ones_like(x_t, requires_grad=False), self.p) if self.training and self.p > 0 else None

    def step(self, x_t: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return x_t if state is None else x_t * state, state

    def sequence(self, x_seq: Tensor) -> Tensor:
        mask = self.initial_state(x_seq[0])
        return x_seq if mask is None else x_seq * mask

    def extra_repr(self) -> str:
        return f"p={self.p}"
