"""Layers without a state over `[T, N, *]`: pools, flatten, and products of two activations."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.kernels.pooling.entry import average_pool, max_pool
from snnbench.temporal import over_time


class _Pool2d(nn.Module):
    """A pool over `kernel` x `kernel` pixels; without overlap, the kernel `fused` may replace PyTorch's `plain`."""

    def __init__(self, kernel: int = 2, stride: int | None = None, padding: int = 0):
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride or kernel, padding

    def forward(self, x_seq: Tensor) -> Tensor:
        return over_time(self._pool, x_seq)

    def _pool(self, x: Tensor) -> Tensor:
        without_overlap = self.kernel == self.stride and self.padding == 0
        pooled = self.fused(x, self.kernel) if without_overlap else None
        return self.plain(x, self.kernel, self.stride, self.padding) if pooled is None else pooled


class AvgPool2d(_Pool2d):
    """Average pooling of every step, `[T, N, C, H, W] -> [T, N, C, H', W']`. On spikes it gives multiples of 1/k^2."""

    fused, plain = staticmethod(average_pool), staticmethod(F.avg_pool2d)


class AvgPool1d(nn.Module):
    """Average pooling of every step without overlap, `[T, N, C, L] -> [T, N, C, L // kernel]`."""

    def __init__(self, kernel: int = 2):
        super().__init__()
        self.kernel = kernel

    def forward(self, x_seq: Tensor) -> Tensor:
        return over_time(self._pool, x_seq)

    def _pool(self, x: Tensor) -> Tensor:
        pooled = average_pool(x, self.kernel)
        return F.avg_pool1d(x, self.kernel) if pooled is None else pooled


class AdaptiveAvgPool2d(nn.Module):
    """Average pooling of every step to `size` pixels a side, `[T, N, C, H, W] -> [T, N, C, size, size]`."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, x_seq: Tensor) -> Tensor:
        return over_time(lambda x: F.adaptive_avg_pool2d(x, self.size), x_seq)


class MaxPool2d(_Pool2d):
    """Max pooling of every step, `[T, N, C, H, W] -> [T, N, C, H', W']`. Spikes stay binary."""

    fused, plain = staticmethod(max_pool), staticmethod(F.max_pool2d)


class GlobalAvgPool(nn.Module):
    """Mean over all trailing axes, `[T, N, C, *] -> [T, N, C]`."""

    LARGEST = 8  # largest height and width for which the pooling kernel is used

    def forward(self, x_seq: Tensor) -> Tensor:
        *_, height, width = x_seq.shape
        if x_seq.ndim == 5 and 1 < height == width <= self.LARGEST:
            pooled = average_pool(x_seq.flatten(0, 1), height)
            if pooled is not None:
                return pooled.view(x_seq.shape[:3])
        return x_seq.flatten(3).mean(3)


class Flatten(nn.Module):
    """`[T, N, C, *] -> [T, N, C * prod(*)]`."""

    def forward(self, x_seq: Tensor) -> Tensor:
        return x_seq.flatten(2)


class SpikeMatmul(nn.Module):
    """Matrix product `a @ b` of activations. It is a module, so that a counter of operations can hook it."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b


class SpikeProduct(nn.Module):
    """Elementwise product `a * b` of activations, with broadcasting. It is a module, so that it can be hooked.

    A mask on spikes is such a product: QKFormer's token mask, or the two products of spike-driven self-attention.
    """

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b
