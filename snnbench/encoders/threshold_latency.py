"""Latency coding by the charging time of a leaky membrane for each pixel (fzenke/spytorch @f4dcc66,
`current2firing_time`).

A membrane charged by the constant current x reaches the threshold theta at t = tau ln(x / (x - theta)), for x > theta;
the pixel spikes at step floor(t). Pixels with x <= theta or t >= T do not spike. `encoder=latency` is linear in x.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from snnbench.encoders.base import Encoder


class ThresholdLatency(Encoder):
    """`[N, C, H, W] -> [T, N, C, H, W]` of {0, 1}, with at most one spike for each pixel.

    Args:
        time_steps: The number T of time steps. The program passes it.
        tau: The time constant of the membrane, in steps.
        threshold: The pixel value theta up to which a pixel does not spike; spytorch's images lie in [0, 1].
    """

    traits = ("single_spike_input", "brightness")
    requires = {  # noqa: RUF012
        "images": "latency coding gives each pixel of an image one spike; for event data use encoder=frames",
    }

    def __init__(self, time_steps: int, tau: Annotated[float, "> 0"] = 20.0, threshold: Annotated[float, "> 0"] = 0.2):
        super().__init__(time_steps)
        self.tau, self.threshold = tau, threshold

    def times(self, x: Tensor) -> Tensor:
        """The step of each pixel's spike, int64 0..T, T for none; in double, because floor amplifies rounding."""
        x = x.double()
        above = x > self.threshold
        charged = torch.where(above, x / (x - self.threshold).where(above, 1.0), 1.0)
        when = (self.tau * charged.log()).clamp(max=self.time_steps).long()
        return torch.where(above, when, self.time_steps)

    def forward(self, x: Tensor) -> Tensor:
        steps = torch.arange(self.time_steps, device=x.device).view(-1, *[1] * x.dim())
        return (steps == self.times(x)).to(x.dtype)
