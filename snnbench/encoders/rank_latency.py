"""S4NN's intensity-to-latency code: t = floor((1 - p) T), black pixels stay silent (Kheradpisheh & Masquelier 2020).

p is the brightness in [0, 1]. The official code writes t = floor((255 - I) t_max / 255) with t_max = T = 256 for grey
levels I. The brightest pixel spikes at step 0, and a black one would spike at T, after the last step T - 1.
`encoder=latency` (Thorpe & Gautrais 1998) rounds and uses T - 1 instead of T.
"""

from __future__ import annotations

import torch
from torch import Tensor

from snnbench.encoders.base import Encoder
from snnbench.errors import ConfigError


class RankLatency(Encoder):
    """`[N, C, H, W] -> [T, N, C, H, W]` of {0, 1}, with at most one spike for each pixel.

    Args:
        time_steps: The number T of time steps. The program passes it.
        low: The pixel value that never spikes.
        high: The pixel value that spikes at step 0.

    Raises:
        ConfigError: high is not above low.
    """

    traits = ("single_spike_input", "brightness")
    requires = {  # noqa: RUF012
        "images": "latency coding gives each pixel of an image one spike; for event data use encoder=frames",
    }

    def __init__(self, time_steps: int, low: float = 0.0, high: float = 1.0):
        super().__init__(time_steps)
        if high <= low:
            raise ConfigError(f"encoder.high={high} must be above encoder.low={low}")
        self.low, self.high = low, high

    def times(self, x: Tensor) -> Tensor:
        """The step of each pixel's spike, 0..T, where T means no spike; in double, because floor amplifies rounding."""
        darkness = ((self.high - x.double()) / (self.high - self.low)).clamp(0, 1)
        return (darkness * self.time_steps + 1e-6).floor().long()

    def forward(self, x: Tensor) -> Tensor:
        steps = torch.arange(self.time_steps, device=x.device).view(-1, *[1] * x.dim())
        return (steps == self.times(x)).to(x.dtype)
