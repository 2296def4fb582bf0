"""Learnt numbers of neurons: spared weight decay, one a channel, shaped to multiply currents."""

from __future__ import annotations

from torch import Tensor, nn


def spared(start: Tensor) -> nn.Parameter:
    """A parameter that the optimiser must not decay."""
    parameter = nn.Parameter(start)
    parameter.no_weight_decay = True
    return parameter


def column(values: Tensor, x_t: Tensor) -> Tensor:
    """`[C]` (or a scalar) as `[C, 1, ...]`, ready to multiply `[N, C, *]`."""
    return values.view(-1, *[1] * (x_t.ndim - 2))
