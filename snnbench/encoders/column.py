"""Column-sequential images: a time step shows one column (sequential CIFAR-10 of PSN, Fang et al. 2023)."""

from __future__ import annotations

from torch import Tensor

from snnbench.encoders.base import Encoder
from snnbench.errors import ConfigError


class Column(Encoder):
    """`[N, C, H, W] -> [T=W, N, C, L=H]`, a view; step t shows the t-th column from the left.

    Raises:
        ConfigError: T differs from the width of the image.
    """

    traits = ("columns",)
    requires = {  # noqa: RUF012
        "images": "columns are cut from images; for event data use encoder=frames",
        "sequence_1d": "columns have one spatial axis, so the model must be built of 1-d convolutions",
    }

    def check_shape(self, shape: tuple[int, int, int]) -> None:
        if shape[-1] != self.time_steps:
            raise ConfigError(f"T={self.time_steps}, but images have {shape[-1]} columns; set T={shape[-1]}")

    def forward(self, x: Tensor) -> Tensor:
        self.check_shape(x.shape[1:])
        return x.permute(3, 0, 1, 2)
