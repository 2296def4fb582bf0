"""Max pooling of channels-last maps without overlap: w (1 + 1/k^2) + 1/k^2 bytes an input element each way.

Which pixel of a window won is kept in one byte, where PyTorch keeps eight; the backward pass writes every input
gradient once instead of clearing and scattering. Ties and NaN go as in PyTorch: the first largest wins, NaN over all.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from snnbench.kernels.pooling import input_gradient, launch, pooled_like, unpooled_like


@triton.jit
def max_pool_kernel(
    x_ptr, y_ptr, winner_ptr, positions, channels, width_in, width_out,
    K: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr, BACKWARD: tl.constexpr,
):  # fmt: skip
    """One output position a row of the tile: y = max of its K x K window of x, winner = where, counted row by row;
    BACKWARD: x = y at the winner and 0 elsewhere in the window. Positions as in `pool_kernel`.
    """
    position = tl.cast(tl.program_id(0), tl.int64) * BP + tl.arange(0, BP)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    mask = (position < positions)[:, None] & (channel < channels)[None, :]
    y_at = position[:, None] * channels + channel[None, :]
    first = (position // width_out) * (K * width_in) + (position % width_out) * K
    if BACKWARD:
        largest = tl.load(y_ptr + y_at, mask=mask, other=0.0).to(tl.float32)
        winner = tl.load(winner_ptr + y_at, mask=mask, other=0)
    else:
        largest = tl.full((BP, BC), float("-inf"), tl.float32)
        winner = tl.zeros((BP, BC), tl.uint8)
    for i in tl.static_range(K):
        for j in tl.static_range(K):
            x_at = (first + i * width_in + j)[:, None] * channels + channel[None, :]
            if BACKWARD:
                grad = tl.where(winner == i * K + j, largest, 0.0)
                tl.store(x_ptr + x_at, grad.to(x_ptr.dtype.element_ty), mask=mask)
            else:
                x = tl.load(x_ptr + x_at, mask=mask, other=0.0).to(tl.float32)
                wins = (x > largest) | (x != x)
                largest = tl.where(wins, x, largest)
                winner = tl.where(wins, i * K + j, winner).to(tl.uint8)
    if not BACKWARD:
        tl.store(y_ptr + y_at, largest.to(y_ptr.dtype.element_ty), mask=mask)
        tl.store(winner_ptr + y_at, winner, mask=mask)


class MaxPool(torch.autograd.Function):
    """`[B, C, H, W] -> [B, C, H / kernel, W / kernel]`, channels-last; the winner of a window gets its gradient."""

    @staticmethod
    def forward(ctx, x: Tensor, kernel: int) -> Tensor:
        y, winner = torch.ops.snnbench.max_pool(x, kernel)
        ctx.save_for_backward(winner)
        ctx.kernel = kernel
        return y

    @staticmethod
    def backward(ctx, g: Tensor):
        (winner,) = ctx.saved_tensors
        return torch.ops.snnbench.max_pool_backward(g, winner, ctx.kernel), None


def max_pool(x: Tensor, kernel: int) -> tuple[Tensor, Tensor]:
    y, winner = pooled_like(x, kernel), pooled_like(x, kernel, torch.uint8)
    launch(max_pool_kernel, x, y, winner, kernel=kernel, backward=False)
    return y, winner


def max_pool_backward(g: Tensor, winner: Tensor, kernel: int) -> Tensor:
    return input_gradient(max_pool_kernel, g, winner, kernel=kernel)


LIBRARY = torch.library.Library("snnbench", "FRAGMENT")
LIBRARY.define("max_pool(Tensor x, int kernel) -> (Tensor, Tensor)")
LIBRARY.define("max_pool_backward(Tensor g, Tensor winner, int kernel) -> Tensor")
LIBRARY.impl("max_pool", max_pool, "CompositeExplicitAutograd")
LIBRARY.impl("max_pool_backward", max_pool_backward, "CompositeExplicitAutograd")


@torch.library.register_fake("snnbench::max_pool", lib=LIBRARY)
def _(x: Tensor, kernel: int) -> tuple[Tensor, Tensor]:
    return pooled_like(x, kernel), pooled_like(x, kernel, torch.uint8)


@torch.library.register_fake("snnbench::max_pool_backward", lib=LIBRARY)
def _(g: Tensor, winner: Tensor, kernel: int) -> Tensor:
    return unpooled_like(g, kernel)
