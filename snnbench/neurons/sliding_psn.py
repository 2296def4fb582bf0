"""Sliding parallel spiking neuron: one causal kernel for every step (Fang et al., NeurIPS 2023, arXiv:2304.12760).

    H[t] = sum_{i=0}^{k-1} w[k-1-i] X[t-i] + b  (X = 0 before the start),  S[t] = Theta(H[t]),  b = -v_th at the start.

k + 1 parameters a layer, any T. Two forms with the same result: `gemm` multiplies by the banded Toeplitz matrix
W[i, i-k+1..i] = w, `conv` slides w over time. With `exp_init` w = (..., 1/4, 1/2, 1), an LIF of tau 2 without reset
(released CIFAR10-DVS runs); else U(-1/sqrt k, 1/sqrt k) (released sequential-CIFAR runs).
"""

from __future__ import annotations

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
    """`[T, N, C, *]` currents -> spikes for any T; walks with the last k - 1 inputs as its state.

    Args:
        k: order: how many steps, this one included, a potential sees.
        exp_init: kernel starts as powers of 1/2 instead of uniformly at random.
        backend: "gemm" (one matrix product, T^2 per element) or "conv" (k per element).
        v_th: threshold at the start.
    """

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
        """The kernel as a banded matrix `[T, T]`, row i holding w at columns i-k+1..i."""
        used = min(self.k, time_steps)
        line = F.pad(self.weight[self.k - used :], (time_steps - used, time_steps - 1))
        return line.unfold(0, time_steps, 1).flip(0)

    def matrix(self, time_steps: int) -> tuple[Tensor, Tensor]:
        return self.time_matrix(time_steps), self.bias.expand(time_steps)

    def kernel_weights(self) -> tuple[Tensor, Tensor] | Refusal:
        """The window itself where the kernels know it, else the matrix over time that it makes."""
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
        seen = (*state, full_precision(x_t))
        h = self.bias + sum(w * x for w, x in zip(self.weight[self.k - len(seen) :], seen))
        return self.emit(self.fire(h), x_t), seen[max(len(seen) - self.k + 1, 0) :]

    def extra_repr(self) -> str:
        return f"k={self.k}, backend={self.backend}, {super().extra_repr()}"
