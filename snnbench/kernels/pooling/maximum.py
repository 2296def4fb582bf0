"""Max pooling of channels-last maps without overlap: w (1 + 1/k^2) + 1/k^2 bytes an input element each way.

One byte says which pixel of a window won, where PyTorch keeps eight. The backward writes every input gradient once,
where PyTorch clears all of them and then scatters. Ties and NaN go as in PyTorch: the first largest value wins, and NaN
wins over every number.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from snnbench.kernels.pooling.average import Window, input_gradient, launch, pooled_like, unpooled_like


@triton.jit
def max_pool_kernel(
    x_ptr, y_ptr, winner_ptr, positions, channels, width_in, width_out,
    KH: tl.constexpr, KW: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr, BACKWARD: tl.constexpr,
):  # fmt: skip
    """A row of the tile is one output position: y = max of its KH x KW window of x, winner = its pixel, counted row by
    row. BACKWARD: x = y at the winner and 0 elsewhere in the window. Positions are those of `pool_kernel`.
    """
    position = tl.cast(tl.program_id(0), tl.int64) * BP + tl.arange(0, BP)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    mask = (position < positions)[:, None] & (channel < channels)[None, :]
    y_at = position[:, None] * channels + channel[None, :]
    first = (position // width_out) * (KH * width_in) + (position % width_out) * KW
    if BACKWARD:
        largest = tl.load(y_ptr + y_at, mask=mask, other=0.0).to(tl.float32)
        winner = tl.load(winner_ptr + y_at, mask=mask, other=0)
    else:
        largest = tl.full((BP, BC), float("-inf"), tl.float32)
        winner = tl.zeros((BP, BC), tl.uint8)
    for i in tl.static_range(KH):
        for j in tl.static_range(KW):
            x_at = (first + i * width_in + j)[:, None] * channels + channel[None, :]
            if BACKWARD:
                grad = tl.where(winner == i * KW + j, largest, 0.0)
                tl.store(x_ptr + x_at, grad.to(x_ptr.dtype.element_ty), mask=mask)
            else:
                x = tl.load(x_ptr + x_at, mask=mask, other=0.0).to(tl.float32)
                wins = (x > largest) | (x != x)  # x != x: NaN
                largest = tl.where(wins, x, largest)
                winner = tl.where(wins, i * KW + j, winner).to(tl.uint8)
    if not BACKWARD:
        tl.store(y_ptr + y_at, largest.to(y_ptr.dtype.element_ty), mask=mask)
        tl.store(winner_ptr + y_at, winner, mask=mask)


class MaxPool(torch.autograd.Function):
    """`[B, C, H, W] -> [B, C, H / rows, W / columns]`, channels-last; the winner of a window gets its gradient."""

    @staticmethod
    def forward(ctx, x: Tensor, window: Window) -> Tensor:
        y, winner = torch.ops.snnbench.max_pool(x, window)
        ctx.save_for_backward(winner)
        ctx.window = window
        return y

    @staticmethod
    def backward(ctx, g: Tensor):
        (winner,) = ctx.saved_tensors
        return torch.ops.snnbench.max_pool_backward(g, winner, ctx.window), None


def max_pool(x: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    y, winner = pooled_like(x, window), pooled_like(x, window, torch.uint8)
    launch(max_pool_kernel, x, y, winner, backward=False)
    return y, winner


def max_pool_backward(g: Tensor, winner: Tensor, window: Window) -> Tensor:
    return input_gradient(max_pool_kernel, g, winner, window=window)


LIBRARY = torch.library.Library("snnbench", "FRAGMENT")
LIBRARY.define("max_pool(Tensor x, int[2] window) -> (Tensor, Tensor)")
LIBRARY.define("max_pool_backward(Tensor g, Tensor winner, int[2] window) -> Tensor")
LIBRARY.impl("max_pool", max_pool, "CompositeExplicitAutograd")
LIBRARY.impl("max_pool_backward", max_pool_backward, "CompositeExplicitAutograd")


@torch.library.register_fake("snnbench::max_pool", lib=LIBRARY)
def _(x: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    return pooled_like(x, window), pooled_like(x, window, torch.uint8)


@torch.library.register_fake("snnbench::max_pool_backward", lib=LIBRARY)
def _(g: Tensor, winner: Tensor, window: Window) -> Tensor:
    return unpooled_like(g, window)
