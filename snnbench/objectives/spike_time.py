"""Spike-time loss of SLAYER: a van Rossum distance with the alpha kernel (Shrestha & Orchard, NeurIPS 2018).

    L = mean over samples of dt/2 sum_k sum_n ((eps * (s_k - s*_k))[n])^2,   eps(t) = t/tau_s exp(1 - t/tau_s)

As in the released code (bamsumit/slayerPytorch @01beeeb), eps is the neuron's PSP kernel, cut off where it falls below
0.01. Released spikes have the height 1/Ts and the PSP a factor Ts, which gives the same L as spikes of height 1. The
released code sums over the batch; the mean here differs by a factor that Adam ignores. Since eps[0] = 0, a spike counts
from the next step on.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from snnbench.filters import alpha_kernel, causal_filter
from snnbench.objectives.base import Loss
from snnbench.objectives.spike_trains import SpikeTrainLoss
from snnbench.temporal import full_precision


class SpikeTime(SpikeTrainLoss):
    """`(spikes [T, N, K], target) -> (loss, {"spike_time"})`, at least fp32; targets as in `SpikeTrainLoss`.

    Args:
        tau_s: The time constant of the kernel eps, in ms; it should be that of the neuron.
        dt: The length of a time step, in ms.

    Raises:
        ConfigError: No target spike lies within T, or target trains have another shape.
    """

    def __init__(
        self,
        tau_s: Annotated[float, "> 0"] = 10.0,
        dt: Annotated[float, "in [1e-6, 1e6]"] = 1.0,
        **rest,
    ):
        super().__init__(**rest)
        self.dt = dt
        self.register_buffer("eps", torch.tensor(alpha_kernel(tau_s, dt), dtype=torch.float64), persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Loss:
        spikes = full_precision(logits)
        error = causal_filter(self.eps, spikes - self.target_trains(target, spikes))
        loss = 0.5 * self.dt * error.square().sum((0, 2)).mean()
        return loss, {"spike_time": loss}
