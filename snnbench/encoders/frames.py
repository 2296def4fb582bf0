"""Event frames: the data set has summed its events in T frames; the encoder only reorders the axes."""

from __future__ import annotations

from torch import Tensor

from snnbench.encoders.base import Encoder
from snnbench.errors import ConfigError


class Frames(Encoder):
    """`[N, T, C, H, W] -> [T, N, C, H, W]`, a view.

    Raises:
        ConfigError: The number of frames differs from T.
    """

    requires = {  # noqa: RUF012
        "events": "frames come from event data; for still images use encoder=direct",
    }

    def forward(self, x: Tensor) -> Tensor:
        # in training, augment.keep_frames may leave fewer frames, which neurons and norms that take any T accept
        if x.shape[1] > self.time_steps or (not self.training and x.shape[1] != self.time_steps):
            raise ConfigError(f"T={self.time_steps}, but the data hold {x.shape[1]} frames; set T={x.shape[1]}")
        return x.transpose(0, 1)
