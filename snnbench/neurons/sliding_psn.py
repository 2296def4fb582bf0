"""Sliding parallel spiking neuron: the same k weights at every step (Fang et al., NeurIPS 2023, arXiv:2304.12760).

    H[t] = sum_{i=0}^{k-1} w[k-1-i] X[t-i] + b  (X = 0 before the start),  S[t] = Theta(H[t]),  b = -v_th at the start.

Each layer has k + 1 parameters. The backends "gemm" (product with the banded matrix W[i, i-k+1..i] = w) and "conv"
(convolution over time) give the same result.
"""

import math
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.kernels.common.form import Refusal, overridden
from snnbench.kernels.parallel.form import SLIDING_ORDER
from snnbench.neurons.parameters import spared
from snnbench.neurons.psn import ParallelNeuron
from snnbench.site import Site
from snnbench.temporal import full_precision, rows_back, rows_of


class SlidingPSN(ParallelNeuron):
    """`[T, N, C, *]` currents -> spikes for any T; the state is the last k - 1 inputs.

    Args:
        k: The order: the number of steps, the present one included, on which a potential depends.
        exp_init: True starts w at (..., 1/4, 1/2, 1), which is an LIF of tau 2 without reset (released CIFAR10-DVS
            runs); False draws w from U(-1/sqrt k, 1/sqrt k) (released sequential-CIFAR runs).
        backend: "gemm" computes one matrix product with T^2 multiplications for each neuron, "conv" a convolution
            with k T.
    """

    printed = ("k", "backend", *ParallelNeuron.printed)

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        k: Annotated[int, ">= 1"] = 2,
        exp_init: bool = True,
        backend: Literal["gemm", "conv"] = "gemm",
        **rest,
    ):
        super().__init__(site, surrogate, **rest)
        self.k, self.backend = k, backend
        powers = 0.5 ** torch.arange(k - 1, -1, -1.0)
        self.weight = spared(powers if exp_init else nn.init.kaiming_uniform_(torch.empty(1, k), a=math.sqrt(5))[0])
        self.bias = spared(torch.tensor(-float(self.v_th)))

    def time_matrix(self, time_steps: int) -> Tensor:
        """The banded matrix `[T, T]` whose row i holds w in the columns i-k+1..i."""
        used = min(self.k, time_steps)
        line = F.pad(self.weight[self.k - used :], (time_steps - used, time_steps - 1))
        return line.unfold(0, time_steps, 1).flip(0)

    def matrix(self, time_steps: int) -> tuple[Tensor, Tensor]:
        return self.time_matrix(time_steps), self.bias.expand(time_steps)

    def kernel_weights(self) -> tuple[Tensor, Tensor] | Refusal:
        """w itself if k is small enough for the sliding kernels, else the banded matrix."""
        if self.k > SLIDING_ORDER or overridden(self, SlidingPSN, "potentials", "matrix", "time_matrix"):
            return super().kernel_weights()
        return self.weight, self.bias.view(1)

    def potentials(self, x_seq: Tensor) -> Tensor:
        if self.backend == "gemm":
            return super().potentials(x_seq)
        rows, shape, undo = rows_of(full_precision(x_seq))
        with torch.autocast(x_seq.device.type, enabled=False):
            kernel = self.weight.to(rows.dtype).view(1, 1, -1, 1)
            h = F.conv2d(rows[None, None], kernel, padding=(self.k - 1, 0))[0, 0, : rows.shape[0]]
        return rows_back(h + self.bias, shape, undo)

    def initial_state(self, x_t: Tensor) -> tuple[Tensor, ...]:
        return ()

    def step(self, x_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self.windowed(state, x_t, self.weight, self.bias)
