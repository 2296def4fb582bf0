"""Van Rossum distance between output spikes and target spikes (van Rossum 2001; SuperSpike, Zenke & Ganguli 2018).

    L = mean_n 1/2 sum_k sum_t ((k * (S_target - S))[t])^2,     k: decay tau_rise, then Euler low-pass tau_decay

k is the kernel of SuperSpike's released code: exponential decay, then a low-pass. The sum over steps has no factor dt.
"""

from __future__ import annotations

import math
from typing import Annotated

from torch import Tensor

from snnbench.errors import ConfigError
from snnbench.filters import causal_filter, decay_then_follow
from snnbench.objectives.base import Loss
from snnbench.objectives.spike_trains import SpikeTrainLoss
from snnbench.temporal import full_precision


class VanRossum(SpikeTrainLoss):
    """`(spikes [T, N, K], target) -> (loss, {"van_rossum", "unmatched"})`.

    `SpikeTrainLoss` explains the targets. "unmatched" is the loss divided by that of one wrong spike at step 0.

    Args:
        tau_rise: The time constant of the kernel's rise, in ms (the neuron's tau_syn in the paper).
        tau_decay: The time constant of the kernel's decay, in ms (the neuron's tau_mem in the paper).
        dt: The length of a time step, in ms.
        first: The step of the first target spike of the right class.

    Raises:
        ConfigError: No target spike lies within T, tau_decay is below dt (the Euler low-pass would overshoot), or
            target trains have another shape.
    """

    def __init__(
        self,
        tau_rise: Annotated[float, "> 0"] = 5.0,
        tau_decay: Annotated[float, "> 0"] = 10.0,
        dt: Annotated[float, "in [1e-6, 1e6]"] = 1.0,
        first: Annotated[int, ">= 0"] = 4,
        **rest,
    ):
        super().__init__(first, **rest)
        if tau_decay < dt:
            raise ConfigError(
                f"objective.tau_decay={tau_decay} ms must not be below objective.dt={dt} ms; raise it or shorten dt."
            )
        self.tau_rise, self.tau_decay, self.dt = tau_rise, tau_decay, dt

    def kernel(self, time_steps: int) -> tuple[float, ...]:
        """The kernel k[0 .. T-1]."""
        return decay_then_follow(time_steps, math.exp(-self.dt / self.tau_rise), self.dt / self.tau_decay)

    def forward(self, logits: Tensor, target: Tensor) -> Loss:
        spikes = full_precision(logits)
        kernel = self.kernel(len(spikes))
        missing = causal_filter(kernel, self.target_trains(target, spikes) - spikes)
        loss = 0.5 * missing.square().sum((0, 2)).mean()
        return loss, {"van_rossum": loss, "unmatched": 2 * loss.detach() / sum(k * k for k in kernel)}
