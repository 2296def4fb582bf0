"""The base class of encoders, which turn a batch of samples into a sequence of T inputs."""

from __future__ import annotations

from torch import Tensor, nn


class Encoder(nn.Module):
    """`[N, C, H, W]` (event data: `[N, T, C, H, W]`) -> `[T, N, C, H, W]`. An encoder has no parameters.

    Args:
        time_steps: The number T of time steps. The program passes it.
    """

    def __init__(self, time_steps: int):
        super().__init__()
        self.time_steps = time_steps

    def check_shape(self, shape: tuple[int, int, int]) -> None:
        """Raise ConfigError if samples `[C, H, W]` cannot give T steps; called before a run writes anything."""

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define forward(x)")

    def extra_repr(self) -> str:
        return f"time_steps={self.time_steps}"
