"""Stateless layers that keep time in front: pools, flatten, and the product of spike matrices."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.kernels.dispatch import average_pool
from snnbench.temporal import over_time


class AvgPool2d(nn.Module):
    """Average pooling of every step, `[T, N, C, H, W] -> [T, N, C, H', W']`. On spikes it gives multiples of 1/k^2."""

    def __init__(self, kernel: int = 2, stride: int | None = None, padding: int = 0):
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride or kernel, padding

    def forward(self, x_seq: Tensor) -> Tensor:
        return over_time(self._pool, x_seq)

    def _pool(self, x: Tensor) -> Tensor:
        if self.kernel == self.stride and self.padding == 0 and (pooled := average_pool(x, self.kernel)) is not None:
            return pooled
        return F.avg_pool2d(x, self.kernel, self.stride, self.padding)


class AvgPool1d(nn.Module):
    """Average pooling of every step without overlap, `[T, N, C, L] -> [T, N, C, L // kernel]`."""

    def __init__(self, kernel: int = 2):
        super().__init__()
        self.kernel = kernel

    def forward(self, x_seq: Tensor) -> Tensor:
        return over_time(lambda x: F.avg_pool1d(x, self.kernel), x_seq)


class AdaptiveAvgPool2d(nn.Module):
    """Average pooling of every step to `size` pixels a side, `[T, N, C, H, W] -> [T, N, C, size, size]`."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, x_seq: Tensor) -> Tensor:
        return over_time(lambda x: F.adaptive_avg_pool2d(x, self.size), x_seq)


class MaxPool2d(nn.Module):
    """Max pooling of every step, `[T, N, C, H, W] -> [T, N, C, H', W']`. Spikes stay binary."""

    def __init__(self, kernel: int = 2, stride: int | None = None, padding: int = 0):
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride or kernel, padding

    def forward(self, x_seq: Tensor) -> Tensor:
        return over_time(lambda x: F.max_pool2d(x, self.kernel, self.stride, self.padding), x_seq)


class GlobalAvgPool(nn.Module):
    """Mean over all trailing axes, `[T, N, C, *] -> [T, N, C]`."""

    def forward(self, x_seq: Tensor) -> Tensor:
        return x_seq.flatten(3).mean(3)


class Flatten(nn.Module):
    """`[T, N, C, *] -> [T, N, C * prod(*)]`."""

    def forward(self, x_seq: Tensor) -> Tensor:
        return x_seq.flatten(2)


class SpikeMatmul(nn.Module):
    """Matrix product `a @ b` of activations. A module, so that an operations counter can hook it; no parameters."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b
