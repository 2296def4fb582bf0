"""Masked parallel spiking neuron: a PSN that becomes causal (Fang et al., NeurIPS 2023, arXiv:2304.12760).

    H = (W o M_k(lam)) X + b,   M_k(lam) = lam M_k + (1 - lam) 11^T,   M_k[i, j] = 1 iff j <= i <= j + k - 1

lam rises from 0 (a PSN) to 1 (causal) over the epochs e of E. The paper states lam = e/(E-1); the released runs use
min(1, 8 e/(E-1)). Here `on_epoch` sets lam = min(1, progress / masked_from). Without a call of `on_epoch`, as when a
checkpoint is evaluated, lam is 1.
"""

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.neurons.parameters import spared
from snnbench.neurons.psn import ParallelNeuron, time_matrix
from snnbench.site import Site


class MaskedPSN(ParallelNeuron):
    """`[T, N, C, *]` currents -> spikes, for the T of `site`; the state is the step's number and the last k - 1 inputs.

    Args:
        k: The order: the number of steps, the present one included, on which a potential depends.
        masked_from: The share of the training after which lam is 1. 0 masks from the start; the paper's text has 1.

    Raises:
        ConfigError: The sequence has another T, or a rule walks step by step while lam < 1.
    """

    printed = ("k", "masked_from", *ParallelNeuron.printed)

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
        # the mask is 1 - lam * outside; lam is a buffer, because a captured CUDA graph would keep a number's old value
        self.register_buffer("outside", outside, persistent=False)
        self.register_buffer("lam_now", torch.ones(()), persistent=False)

    def on_epoch(self, progress: float) -> bool:
        """Set lam; progress = epoch / epochs in [0, 1]. Returns False, since captured CUDA graphs stay valid."""
        self.lam = 1.0 if progress >= self.masked_from else progress / self.masked_from
        self.lam_now.fill_(self.lam)
        return False

    def masked_weight(self) -> Tensor:
        """W o M_k(lam), `[T, T]`."""
        return self.weight * (1 - self.lam_now * self.outside)

    def learnt(self) -> dict[str, Tensor]:
        """The thresholds, and those weights that the complete mask keeps."""
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
        spikes, queue = self.windowed(queue, x_t, self.weight[t, : t + 1], self.bias[t])
        return spikes, (t + 1, queue)
