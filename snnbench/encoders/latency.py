"""Latency coding: each pixel spikes once, and brighter pixels spike earlier (Thorpe & Gautrais 1998; linear, as in
SpikingJelly).

p = (x - low) / (high - low) clipped to [0, 1];     spike at t = round((T - 1) (1 - p)), none where p <= threshold.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from snnbench.encoders.base import Encoder
from snnbench.errors import ConfigError


class Latency(Encoder):
    """`[N, C, H, W] -> [T, N, C, H, W]` of {0, 1}, with at most one spike for each pixel.

    Args:
        time_steps: The number T of time steps. The program passes it.
        low: The pixel value of the latest spike; darker pixels are treated like it.
        high: The pixel value of the earliest spike; brighter pixels are treated like it.
        threshold: The relative brightness p up to which a pixel does not spike.

    Raises:
        ConfigError: high is not above low.
    """

    traits = ("single_spike_input", "brightness")
    requires = {  # noqa: RUF012
        "images": "latency coding gives each pixel of an image one spike; for event data use encoder=frames",
    }

    def __init__(
        self, time_steps: int, low: float = 0.0, high: float = 1.0, threshold: Annotated[float, "in [0, 1)"] = 0.0
    ):
        super().__init__(time_steps)
        if high <= low:
            raise ConfigError(f"encoder.high={high} must be above encoder.low={low}")
        self.low, self.high, self.threshold = low, high, threshold

    def forward(self, x: Tensor) -> Tensor:
        brightness = ((x - self.low) / (self.high - self.low)).clamp(0, 1)
        when = ((self.time_steps - 1) * (1 - brightness)).round()
        steps = torch.arange(self.time_steps, device=x.device).view(-1, *[1] * x.dim())
        return ((steps == when) & (brightness > self.threshold)).to(x.dtype)
