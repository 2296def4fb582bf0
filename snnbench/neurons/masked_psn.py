"""Masked parallel spiking neuron: PSN that looks back k steps (Fang et al., NeurIPS 2023, arXiv:2304.12760).

    H = (W o M_k(lam)) X + b,   M_k(lam) = lam M_k + (1 - lam) 11^T,   M_k[i, j] = 1 iff j <= i <= j + k - 1.

lam rises from 0 (a PSN) to 1 (causal) while training. The paper states lam = e/(E-1); the released runs use
min(1, 8 e/(E-1)). Here lam = min(1, progress / masked_from), set by `on_epoch`; a module that is never told of epochs
(evaluation of a checkpoint) is fully masked.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.neurons.parameters import spared
from snnbench.neurons.psn import ParallelNeuron, time_matrix
from snnbench.site import Site
from snnbench.temporal import full_precision


class MaskedPSN(ParallelNeuron):
    """`[T, N, C, *]` currents -> spikes, T as in `site`; walks once lam is 1, with the last k - 1 inputs as its state.

    Args:
        k: order: how many steps, this one included, a potential sees.
        masked_from: fraction of training after which the mask is complete (0: from the start; the paper's text: 1).
        v_th: threshold at the start.

    Raises:
        ConfigError: the sequence has another T, or a rule walks step by step while lam < 1.
    """

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        k: Annotated[int, ">= 1"] = 2,
        masked_from: Annotated[float, "in [0, 1]"] = 0.125,
        **rest,
    ):
        super().__init__(site, surrogate, **rest)
        steps = site.time_steps
        self.k, self.masked_from, self.lam = k, masked_from, 1.0
        self.weight = time_matrix(steps)
        self.bias = spared(torch.full((steps,), -float(self.v_th)))
        everywhere = torch.ones(steps, steps)
        outside = everywhere - everywhere.tril() * everywhere.triu(1 - k)
        # mask = 1 - lam * outside; a buffer, so that a captured CUDA graph sees a new lam
        self.register_buffer("outside", outside, persistent=False)
        self.register_buffer("lam_now", torch.ones(()), persistent=False)

    def on_epoch(self, progress: float) -> bool:
        """Set lam for an epoch; progress = epoch / epochs in [0, 1]. False: nothing that a CUDA graph froze changed."""
        self.lam = 1.0 if progress >= self.masked_from else progress / self.masked_from
        self.lam_now.fill_(self.lam)
        return False

    def masked_weight(self) -> Tensor:
        """W o M_k(lam), `[T, T]`."""
        return self.weight * (1 - self.lam_now * self.outside)

    def learnt(self) -> dict[str, Tensor]:
        """As PSN's; of the weights those that the complete mask keeps."""
        return super().learnt() | {"weight": self.weight[self.outside == 0]}

    def matrix(self, time_steps: int) -> tuple[Tensor, Tensor]:
        self.check_length(time_steps)
        return self.masked_weight(), self.bias

    def initial_state(self, x_t: Tensor) -> tuple[int, tuple[Tensor, ...]]:
        return 0, ()

    def step(self, x_t: Tensor, state: tuple[int, tuple[Tensor, ...]]):
        t, queue = state
        if self.lam < 1:
            raise ConfigError(
                f"neuron=masked_psn sees the future while its mask is incomplete (lambda={self.lam:.3g}) and cannot be "
                "walked step by step; use rule=bptt, or neuron.masked_from=0"
            )
        if t >= self.site.time_steps:
            self.check_length(t + 1)
        seen = (*queue, full_precision(x_t))
        weights = self.weight[t, t + 1 - len(seen) : t + 1]
        h = self.bias[t] + sum(w * x for w, x in zip(weights, seen))
        return self.emit(self.fire(h), x_t), (t + 1, seen[max(len(seen) - self.k + 1, 0) :])

    def extra_repr(self) -> str:
        return f"k={self.k}, masked_from={self.masked_from}, {super().extra_repr()}"
