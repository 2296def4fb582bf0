"""Mean and variance of a batch from one pass of a kernel."""

from __future__ import annotations

from torch import Tensor

from snnbench.kernels.common.mode import DTYPES, ready


def moments(x_t: Tensor) -> tuple[Tensor, Tensor] | None:
    """(biased variance, mean) of each channel, `[C]` each in fp32, of `[N, C, *]`.

    Returns None where no kernel runs; the caller then uses PyTorch.
    """
    if not ready(x_t) or x_t.dtype not in DTYPES:
        return None
    from snnbench.kernels.common import norm

    return norm.moments(x_t)
