"""Encoders: how a batch of samples becomes a sequence of T inputs."""

from __future__ import annotations

from torch import Tensor, nn


class Encoder(nn.Module):
    """`[N, C, H, W]` (event data: `[N, T, C, H, W]`) -> `[T, N, C, H, W]`; without parameters.

    Args:
        time_steps: T (injected).
    """

    def __init__(self, time_steps: int):
        super().__init__()
        self.time_steps = time_steps

    def check_shape(self, shape: tuple[int, int, int]) -> None:
        """Raises ConfigError where samples `[C, H, W]` give no T steps; asked before a run writes anything."""

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define forward(x)")

    def extra_repr(self) -> str:
        return f"time_steps={self.time_steps}"
