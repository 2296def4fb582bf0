"""Pooling of one time step by a kernel. A function returns None where no kernel runs; its caller then uses PyTorch."""

from __future__ import annotations

from torch import Tensor

from snnbench.kernels.common.mode import ready
from snnbench.temporal import as_map


def average_pool(x: Tensor, kernel: int) -> Tensor | None:
    """Mean of every window of `kernel` pixels a side without overlap, `[B, C, H, W]` or `[B, C, L]`."""
    if not ready(x):
        return None
    from snnbench.kernels.pooling import average

    if x.ndim == 3:
        x, window = as_map(x), (1, kernel)
        return average.AveragePool.apply(x, window).squeeze(2) if average.fits(x, window) else None
    return average.AveragePool.apply(x, (kernel, kernel)) if average.fits(x, (kernel, kernel)) else None


def max_pool(x: Tensor, kernel: int) -> Tensor | None:
    """Largest of every window of kernel x kernel pixels without overlap, `[B, C, H, W]`."""
    if not ready(x):
        return None
    from snnbench.kernels.pooling import average, maximum

    window = (kernel, kernel)
    return maximum.MaxPool.apply(x, window) if average.fits(x, window) else None
