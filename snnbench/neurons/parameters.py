"""Trainable numbers of neurons, and views that let numbers be multiplied with currents."""

from torch import Tensor, nn


def spared(start: Tensor) -> nn.Parameter:
    """A parameter with the initial value `start`, to which the optimiser applies no weight decay."""
    parameter = nn.Parameter(start)
    parameter.no_weight_decay = True
    return parameter


def column(values: Tensor, x_t: Tensor) -> Tensor:
    """View `[C]`, or a scalar, as `[C, 1, ...]`, so that it can be multiplied with `x_t` `[N, C, *]`."""
    return values.view(-1, *[1] * (x_t.ndim - 2))


def over_steps(values: Tensor, x_seq: Tensor) -> Tensor:
    """View `[T]` as `[T, 1, ...]`, so that it can be multiplied with `x_seq` `[T, *]`."""
    return values.view(-1, *[1] * (x_seq.ndim - 1))
