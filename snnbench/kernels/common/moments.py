"""Kernels of batch normalisation around the fused sequence: statistics per channel, and its backward's coefficients.

Sums are taken of x - pivot, where pivot is the channel's first value: the variance of values far from zero would
otherwise be a small difference of two large sums. Programs write partial sums and one small kernel adds them in a fixed
order, without atomics, so results are deterministic.
"""

from __future__ import annotations

import triton
import triton.language as tl

from snnbench.kernels.common.tiles import store_sums, tile_offsets


@triton.jit
def sums_kernel(
    x_ptr, sums_ptr, positions, channels, inner,
    BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr,
):  # fmt: skip
    """Partial sums of (x - pivot) and (x - pivot)^2 to `sums [2, programs, channels]`."""
    programs = tl.num_programs(0)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    is_channel = channel < channels
    pivot = tl.load(x_ptr + channel * (1 if CHANNELS_LAST else inner), mask=is_channel, other=0.0).to(tl.float32)
    first = tl.zeros((BP, BC), tl.float32)
    second = tl.zeros((BP, BC), tl.float32)
    for tile in range(tl.program_id(0), tl.cdiv(positions, BP), programs):
        position = tl.cast(tile, tl.int64) * BP + tl.arange(0, BP)
        mask = (position < positions)[:, None] & is_channel[None, :]
        at = tile_offsets(position, channel, channels, inner, CHANNELS_LAST)
        x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
        x = tl.where(mask, x - pivot[None, :], 0.0)  # without this, masked places would add -pivot to the sums
        first += x
        second += x * x
    store_sums(sums_ptr, first, second, channel, channels)


@triton.jit
def add_partials(sums_ptr, programs, channel, is_channel, channels, ROWS: tl.constexpr, BC: tl.constexpr):
    """The two totals `[BC]` of `sums [2, programs, channels]`."""
    first = tl.zeros((ROWS, BC), tl.float32)
    second = tl.zeros((ROWS, BC), tl.float32)
    for start in range(0, programs, ROWS):
        row = start + tl.arange(0, ROWS)
        mask = (row < programs)[:, None] & is_channel[None, :]
        at = row[:, None] * channels + channel[None, :]
        first += tl.load(sums_ptr + at, mask=mask, other=0.0)
        second += tl.load(sums_ptr + programs * channels + at, mask=mask, other=0.0)
    return tl.sum(first, 0), tl.sum(second, 0)


@triton.jit
def fold_kernel(
    x_ptr, sums_ptr, gain_ptr, bias_ptr, running_mean_ptr, running_var_ptr, folded_ptr,
    programs, channels, inner, count, momentum, eps,
    TRAINING: tl.constexpr, CHANNELS_LAST: tl.constexpr, ROWS: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Writes `folded [4, channels]` = scale, shift, mean, rstd. In training it also updates the running statistics."""
    channel = tl.program_id(0) * BC + tl.arange(0, BC)
    is_channel = channel < channels
    running_mean = tl.load(running_mean_ptr + channel, mask=is_channel, other=0.0)
    running_var = tl.load(running_var_ptr + channel, mask=is_channel, other=1.0)
    mean, var = running_mean, running_var
    if TRAINING:
        first, second = add_partials(sums_ptr, programs, channel, is_channel, channels, ROWS, BC)
        pivot = tl.load(x_ptr + channel * (1 if CHANNELS_LAST else inner), mask=is_channel, other=0.0).to(tl.float32)
        first = first / count
        mean = pivot + first
        var = tl.maximum(
            second / count - first * first, 0.0
        )  # rounding can make the variance of a constant channel negative
        unbiased = var * (count / (count - 1.0))
        tl.store(running_mean_ptr + channel, running_mean + momentum * (mean - running_mean), mask=is_channel)
        tl.store(running_var_ptr + channel, running_var + momentum * (unbiased - running_var), mask=is_channel)
    rstd = 1.0 / tl.sqrt(var + eps)
    scale = tl.load(gain_ptr + channel, mask=is_channel, other=0.0) * rstd
    shift = tl.load(bias_ptr + channel, mask=is_channel, other=0.0) - mean * scale
    tl.store(folded_ptr + channel, scale, mask=is_channel)
    tl.store(folded_ptr + channels + channel, shift, mask=is_channel)
    tl.store(folded_ptr + 2 * channels + channel, mean, mask=is_channel)
    tl.store(folded_ptr + 3 * channels + channel, rstd, mask=is_channel)


@triton.jit
def coefficients_kernel(
    sums_ptr, folded_ptr, grads_ptr, affine_ptr, programs, channels, count,
    TRAINING: tl.constexpr, RENORMALISED: tl.constexpr, ROWS: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """`grads [2, channels]` of gain and bias, and `affine [3, channels]`: dL/dx = a dL/du + b x + d.

    In training, with n elements a channel, a = scale and dL/dx = a (g - sum(g)/n - xhat sum(g xhat)/n).
    RENORMALISED: rows 4 and 5 of `folded` hold k and d of OSR, whose gain multiplies k xhat + d.
    """
    channel = tl.program_id(0) * BC + tl.arange(0, BC)
    is_channel = channel < channels
    sum_g, sum_gx = add_partials(sums_ptr, programs, channel, is_channel, channels, ROWS, BC)
    scale = tl.load(folded_ptr + channel, mask=is_channel, other=0.0)
    mean = tl.load(folded_ptr + 2 * channels + channel, mask=is_channel, other=0.0)
    rstd = tl.load(folded_ptr + 3 * channels + channel, mask=is_channel, other=0.0)
    b = tl.zeros((BC,), tl.float32)
    d = tl.zeros((BC,), tl.float32)
    if TRAINING:
        b = -scale * rstd * sum_gx / count
        d = -scale * sum_g / count - b * mean
    by_gain = sum_gx
    if RENORMALISED:
        k = tl.load(folded_ptr + 4 * channels + channel, mask=is_channel, other=0.0)
        by_gain = sum_gx * k + sum_g * tl.load(folded_ptr + 5 * channels + channel, mask=is_channel, other=0.0)
    tl.store(grads_ptr + channel, by_gain, mask=is_channel)
    tl.store(grads_ptr + channels + channel, sum_g, mask=is_channel)
    tl.store(affine_ptr + channel, scale, mask=is_channel)
    tl.store(affine_ptr + channels + channel, b, mask=is_channel)
    tl.store(affine_ptr + 2 * channels + channel, d, mask=is_channel)


@triton.jit
def affine_kernel(
    g_ptr, x_ptr, affine_ptr, steps_ptr, out_ptr, positions, channels, inner, positions_a_step,
    BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr, STEPS: tl.constexpr,
):  # fmt: skip
    """dL/dx of the norm, a g p_t + b x + d of each channel, from the stored g = dL/du. p_t is 1 without STEPS."""
    position = tl.program_id(0) * BP + tl.arange(0, BP)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    is_channel = channel < channels
    mask = (position < positions)[:, None] & is_channel[None, :]
    at = tile_offsets(tl.cast(position, tl.int64), channel, channels, inner, CHANNELS_LAST)
    a = tl.load(affine_ptr + channel, mask=is_channel, other=0.0)[None, :]
    b = tl.load(affine_ptr + channels + channel, mask=is_channel, other=0.0)[None, :]
    d = tl.load(affine_ptr + 2 * channels + channel, mask=is_channel, other=0.0)[None, :]
    g = tl.load(g_ptr + at, mask=mask, other=0.0).to(tl.float32)
    if STEPS:
        g *= tl.load(steps_ptr + position // positions_a_step, mask=position < positions, other=0.0)[:, None]
    x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
    tl.store(out_ptr + at, (a * g + b * x + d).to(out_ptr.dtype.element_ty), mask=mask)
