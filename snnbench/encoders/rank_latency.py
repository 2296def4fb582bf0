"""S4NN's intensity-to-latency code: t = floor((1 - p) T), black pixels stay silent (Kheradpisheh & Masquelier 2020).

The official code writes t = floor((255 - I) t_max / 255) with t_max = T = 256 for grey levels I, so 0 is the brightest
pixel's step and black fires at t_max, behind the last step 0..T-1, where nothing listens any more. `encoder=latency`
(Thorpe & Gautrais 1998) rounds and spreads over T - 1 instead.
"""

from __future__ import annotations

import torch
from torch import Tensor

from snnbench.encoders.base import Encoder
from snnbench.errors import ConfigError


class RankLatency(Encoder):
    """`[N, C, H, W] -> [T, N, C, H, W]` of {0, 1}, at most one spike a pixel.

    Args:
        time_steps: T (injected).
        low: pixel value that stays silent.
        high: pixel value that fires at step 0.

    Raises:
        ConfigError: high is not above low.
    """

    traits = ("single_spike_input", "brightness")
    requires = {  # noqa: RUF012
        "images": "latency coding times one spike a pixel of an image; for event data use encoder=frames",
    }

    def __init__(self, time_steps: int, low: float = 0.0, high: float = 1.0):
        super().__init__(time_steps)
        if high <= low:
            raise ConfigError(f"encoder.high={high} must be above encoder.low={low}")
        self.low, self.high = low, high

    def times(self, x: Tensor) -> Tensor:
        """Step of each pixel's spike, 0..T; T is never reached. In double: 1/255 has no exact float."""
        darkness = ((self.high - x.double()) / (self.high - self.low)).clamp(0, 1)
        return (darkness * self.time_steps + 1e-6).floor().long()

    def forward(self, x: Tensor) -> Tensor:
        steps = torch.arange(self.time_steps, device=x.device).view(-1, *[1] * x.dim())
        return (steps == self.times(x)).to(x.dtype)
