"""Event frames: the data set has binned its events into T frames; only the axes change."""

from __future__ import annotations

from torch import Tensor

from snnbench.encoders.base import Encoder
from snnbench.errors import ConfigError


class Frames(Encoder):
    """`[N, T, C, H, W] -> [T, N, C, H, W]`, a view.

    Raises:
        ConfigError: the frames are not T.
    """

    requires = {  # noqa: RUF012
        "events": "frames come from event data; for still images use encoder=direct",
    }

    def forward(self, x: Tensor) -> Tensor:
        # fewer is augment.keep_frames in training; neurons and norms without a time axis take any T
        if x.shape[1] > self.time_steps or (not self.training and x.shape[1] != self.time_steps):
            raise ConfigError(f"T={self.time_steps}, but the data hold {x.shape[1]} frames; set T={x.shape[1]}")
        return x.transpose(0, 1)
