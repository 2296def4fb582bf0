"""One time step of OSR's norm and its LIF together, where the state is cut from the graph (Zhu et al., ICLR 2024).

    y = gamma (k xhat + d) + beta     xhat: x by the mean and deviation of this step; k, d: see snnbench.norms.osr
    u = y + lam v,   s = H(u - theta),   v' = reset(u, s)
    theta = m + sd r,   r = (v_th - m_1) / sd_1          m, sd: mean and deviation of u over layer and batch

A step has three phases, a kernel each: sums over x and v (`walk_sums_kernel`), the statistics and the threshold from
these (`walk_fold_kernel`, one program), spikes and the next state (`walk_fire_kernel`). m and sd follow from the sums
of x, v and their products over each channel, so u is never stored. The backward runs one kernel twice: first for its
sums, then for dL/dx.

Bytes moved per element, w = bytes of x: forward 3w + 12, backward 5w + 8; the first step of a sequence, whose state is
zero, reads no v.
"""

from __future__ import annotations

import triton
import triton.language as tl

from snnbench.kernels.common.firing import fires, surrogate_derivative
from snnbench.kernels.common.tiles import channel_row, store_sums, tile_at, zeros
from snnbench.kernels.membrane.device import charge, reset


@triton.jit
def walk_sums_kernel(
    x_ptr, v_ptr, sums_ptr, positions, channels, inner,
    BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr, STATE: tl.constexpr,
):  # fmt: skip
    """Partial sums `[5, programs, channels]` of p = x - pivot, p^2 and, with STATE, v, v^2, p v.

    pivot is the channel's first value, for the reason that common/moments.py gives.
    """
    programs = tl.num_programs(0)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    is_channel = channel < channels
    pivot = tl.load(x_ptr + channel * (1 if CHANNELS_LAST else inner), mask=is_channel, other=0.0).to(tl.float32)
    first, second = tl.zeros((BP, BC), tl.float32), tl.zeros((BP, BC), tl.float32)
    v_first, v_second, both = first, first, first
    for tile in range(tl.program_id(0), tl.cdiv(positions, BP), programs):
        mask, at = tile_at(tl.cast(tile, tl.int64), channel, positions, channels, inner, BP, CHANNELS_LAST)
        x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
        x = tl.where(mask, x - pivot[None, :], 0.0)
        first += x
        second += x * x
        if STATE:
            v = tl.load(v_ptr + at, mask=mask, other=0.0)
            v_first += v
            v_second += v * v
            both += x * v
    store_sums(sums_ptr, first, second, channel, channels)
    if STATE:
        store_sums(sums_ptr + 2 * programs * channels, v_first, v_second, channel, channels)
        at = (4 * programs + tl.program_id(0)) * channels + channel
        tl.store(sums_ptr + at, tl.sum(both, 0), mask=is_channel)


@triton.jit
def totals(sums_ptr, programs, channel, channels, COUNT: tl.constexpr, ROWS: tl.constexpr, BC: tl.constexpr):
    """Sums `[BC]` over programs of the COUNT tables `[programs, channels]`, in a fixed order: deterministic."""
    found = zeros(COUNT, ROWS, BC)
    for start in range(0, programs, ROWS):
        row = start + tl.arange(0, ROWS)
        mask = (row < programs)[:, None] & (channel < channels)[None, :]
        at = row[:, None] * channels + channel[None, :]
        more = ()
        for n in tl.static_range(COUNT):
            more = more + (found[n] + tl.load(sums_ptr + n * programs * channels + at, mask=mask, other=0.0),)
        found = more
    sums = ()
    for n in tl.static_range(COUNT):
        sums = sums + (tl.sum(found[n], 0),)
    return sums


@triton.jit
def walk_fold_kernel(
    x_ptr, sums_ptr, weight_ptr, bias_ptr, mean_ptr, var_ptr, pending_mean_ptr, pending_square_ptr, pending_steps_ptr,
    ratio_ptr, folded_ptr, theta_ptr, next_ratio_ptr, programs, channels, inner, count, eps, bound, leak, v_th,
    TRAINING: tl.constexpr, CLIP: tl.constexpr, STATE: tl.constexpr, CHANNELS_LAST: tl.constexpr, ROWS: tl.constexpr,
    BC: tl.constexpr,
):  # fmt: skip
    """One program: `folded [6, channels]` = scale, shift (y = x scale + shift), mean, rstd, k, d of each channel,
    theta and r. TRAINING: bounds k and collects the step's statistics.

    The program spends its time waiting for memory, so it issues all loads before it computes or stores anything.
    """
    # phase 1: all loads
    channel = tl.arange(0, BC)
    there = channel < channels
    pivot = tl.load(x_ptr + channel * (1 if CHANNELS_LAST else inner), mask=there, other=0.0).to(tl.float32)
    running_mean = tl.load(mean_ptr + channel, mask=there, other=0.0)
    running_var = tl.load(var_ptr + channel, mask=there, other=1.0)
    weight = tl.load(weight_ptr + channel, mask=there, other=0.0)
    bias = tl.load(bias_ptr + channel, mask=there, other=0.0)
    if TRAINING:
        pending_mean = tl.load(pending_mean_ptr + channel, mask=there, other=0.0)
        pending_square = tl.load(pending_square_ptr + channel, mask=there, other=0.0)
        pending_steps = tl.load(pending_steps_ptr)
    if STATE:
        ratio = tl.load(ratio_ptr)
    sums = totals(sums_ptr, programs, channel, channels, 5 if STATE else 2, ROWS, BC)
    # phase 2: statistics of x, then k and d
    first = sums[0] / count
    mean = pivot + first
    squares_x = tl.maximum(sums[1] - count * first * first, 0.0)
    var = squares_x / count
    deviation = tl.sqrt(var + eps)
    k = deviation / tl.sqrt(running_var + eps)
    if TRAINING and CLIP:
        k = tl.minimum(tl.maximum(k, 1.0 / bound), bound)
    d = k * (mean - running_mean) / deviation
    if TRAINING and not CLIP:
        largest, smallest = tl.max(tl.where(there, k, 0.0), 0), tl.min(tl.where(there, k, float("inf")), 0)
        off = tl.maximum(largest, 1.0 / smallest) > bound
        k, d = tl.where(off, 1.0, k), tl.where(off, 0.0, d)
    # phase 3: mean and deviation of u = y + leak v over the layer, from the sums of each channel
    centre = bias + weight * d  # y where x is its mean
    scale = weight * k / deviation
    squares, centre_u = scale * scale * squares_x, centre
    if STATE:
        v_mean = sums[2] / count
        both = sums[4] - count * first * v_mean
        squares += leak * leak * tl.maximum(sums[3] - count * v_mean * v_mean, 0.0) + 2.0 * scale * leak * both
        centre_u += leak * v_mean
    centre_u = tl.where(there, centre_u, 0.0)
    mean_u = tl.sum(centre_u, 0) / channels
    apart = tl.where(there, centre_u - mean_u, 0.0)
    deviation_u = tl.sqrt(tl.maximum(tl.sum(squares + count * apart * apart, 0), 0.0) / (count * channels - 1.0))
    if STATE:
        theta = mean_u + deviation_u * ratio
        theta = tl.where(tl.abs(theta) < float("inf"), theta, v_th)  # v_th replaces an infinite theta and a NaN
    else:
        ratio = (v_th - mean_u) / deviation_u
        theta = v_th
    # phase 4: all stores
    tl.store(theta_ptr, theta)
    tl.store(next_ratio_ptr, ratio)
    tl.store(folded_ptr + channel, scale, mask=there)
    tl.store(folded_ptr + channels + channel, centre - mean * scale, mask=there)
    tl.store(folded_ptr + 2 * channels + channel, mean, mask=there)
    tl.store(folded_ptr + 3 * channels + channel, 1.0 / deviation, mask=there)
    tl.store(folded_ptr + 4 * channels + channel, k, mask=there)
    tl.store(folded_ptr + 5 * channels + channel, d, mask=there)
    if TRAINING:
        tl.store(pending_mean_ptr + channel, pending_mean + mean, mask=there)
        tl.store(pending_square_ptr + channel, pending_square + (var + mean * mean), mask=there)
        tl.store(pending_steps_ptr, pending_steps + 1.0)


@triton.jit
def potential(x, v_ptr, at, mask, scale, shift, c, DYNAMICS: tl.constexpr, STATE: tl.constexpr):
    """(u, v) of a tile from the loaded x (fp32): the potential before firing and the state before this step."""
    v = tl.load(v_ptr + at, mask=mask, other=0.0) if STATE else tl.zeros_like(x)
    return charge(v, v, tl.fma(x, scale, shift), c, DYNAMICS), v


@triton.jit
def walk_fire_kernel(
    x_ptr, v_ptr, folded_ptr, theta_ptr, out_ptr, state_ptr, positions, channels, inner, leak,
    v_reset: tl.constexpr, amplitude: tl.constexpr,
    BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr, STATE: tl.constexpr, DYNAMICS: tl.constexpr,
    SOFT: tl.constexpr, STRICT: tl.constexpr,
):  # fmt: skip
    """Spikes and the next state."""
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    mask, at = tile_at(tl.cast(tl.program_id(0), tl.int64), channel, positions, channels, inner, BP, CHANNELS_LAST)
    scale = channel_row(folded_ptr, channel, channels, 1.0, True)
    shift = channel_row(folded_ptr + channels, channel, channels, 0.0, True)
    x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
    theta, c = tl.load(theta_ptr), (leak, v_reset)
    u, v = potential(x, v_ptr, at, mask, scale, shift, c, DYNAMICS, STATE)
    fired = fires(u, theta, STRICT)
    state, _ = reset(u, v, fired, theta, c, DYNAMICS, SOFT)
    tl.store(out_ptr + at, tl.where(fired, amplitude, 0.0).to(out_ptr.dtype.element_ty), mask=mask)
    tl.store(state_ptr + at, state, mask=mask)


@triton.jit
def walk_backward_kernel(
    g_ptr, x_ptr, v_ptr, folded_ptr, theta_ptr, affine_ptr, out_ptr, sums_ptr,
    positions, channels, inner, leak, v_reset: tl.constexpr, amplitude: tl.constexpr, p0, p1,
    BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr, STATE: tl.constexpr, DYNAMICS: tl.constexpr,
    SURROGATE: tl.constexpr, WRITE: tl.constexpr,
):  # fmt: skip
    """Sums q = dL/dy and q xhat to `sums [2, programs, channels]`; with WRITE stores dL/dx = a q + b x + d."""
    programs = tl.num_programs(0)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    scale = channel_row(folded_ptr, channel, channels, 1.0, True)
    shift = channel_row(folded_ptr + channels, channel, channels, 0.0, True)
    mean = channel_row(folded_ptr + 2 * channels, channel, channels, 0.0, True)
    rstd = channel_row(folded_ptr + 3 * channels, channel, channels, 0.0, True)
    a = channel_row(affine_ptr, channel, channels, 1.0, WRITE)
    b = channel_row(affine_ptr + channels, channel, channels, 0.0, WRITE)
    d = channel_row(affine_ptr + 2 * channels, channel, channels, 0.0, WRITE)
    theta, c = tl.load(theta_ptr), (leak, v_reset)
    sum_q, sum_qx = tl.zeros((BP, BC), tl.float32), tl.zeros((BP, BC), tl.float32)
    for tile in range(tl.program_id(0), tl.cdiv(positions, BP), programs):
        mask, at = tile_at(tl.cast(tile, tl.int64), channel, positions, channels, inner, BP, CHANNELS_LAST)
        x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
        u, _ = potential(x, v_ptr, at, mask, scale, shift, c, DYNAMICS, STATE)
        g = tl.load(g_ptr + at, mask=mask, other=0.0).to(tl.float32) * amplitude
        q = g * surrogate_derivative(u - theta, p0, p1, SURROGATE)
        if WRITE:
            tl.store(out_ptr + at, tl.fma(a, q, tl.fma(b, x, d)).to(out_ptr.dtype.element_ty), mask=mask)
        else:
            sum_q += q
            sum_qx = tl.fma(q, x - mean, sum_qx)
    if not WRITE:
        store_sums(sums_ptr, sum_q, sum_qx * rstd, channel, channels)
