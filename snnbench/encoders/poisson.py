"""Rate coding by Bernoulli spikes, called Poisson coding (STBP's released MNIST CNN, Wu et al. 2018).

At each step, each pixel spikes with the probability p = (x - low) / (high - low), clipped to [0, 1]. If images are
normalised by mean and standard deviation, set low and high to their range, or turn the normalisation off
(data.mean=[0.0] data.std=[1.0]).
"""

from __future__ import annotations

import torch
from torch import Tensor

from snnbench.encoders.base import Encoder
from snnbench.errors import ConfigError


class Poisson(Encoder):
    """`[N, C, H, W] -> [T, N, C, H, W]` of {0, 1}, drawn at every call from torch's global generator.

    Args:
        time_steps: The number T of time steps. The program passes it.
        low: The pixel value that never spikes.
        high: The pixel value that spikes at every step.

    Raises:
        ConfigError: high is not above low.
    """

    traits = ("brightness",)
    requires = {  # noqa: RUF012
        "images": "Poisson coding draws spikes from one image; event data are spikes already, use encoder=frames",
    }

    def __init__(self, time_steps: int, low: float = 0.0, high: float = 1.0):
        super().__init__(time_steps)
        if high <= low:
            raise ConfigError(f"encoder.high={high} must be above encoder.low={low}")
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        probability = (x - self.low) / (self.high - self.low)
        return (torch.rand(self.time_steps, *x.shape, device=x.device) < probability).to(x.dtype)
