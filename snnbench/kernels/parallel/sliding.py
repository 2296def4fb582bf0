"""Kernels of the sliding PSN, for any T: a window of K inputs slides over time in registers.

    u_t = x_t * scale + shift (+ r_t);    h_t = sum_{i<K} w_i u_{t-i} + b;    s_t = H(h_t)

w_i is the stored weight[K-1-i]. The backward walks forward in time too: dL/du_j = sum_i w_i q_{j+i} with
q_t = dL/ds_t s'(h_t) is known as soon as q_{j+K-1} is. Its walk goes on for K - 1 steps beyond the end, where q = 0.
Bytes as those of matrix.py.
"""

from __future__ import annotations

import triton
import triton.language as tl

from snnbench.kernels.common.firing import surrogate_derivative
from snnbench.kernels.common.tiles import channel_row, current, store_sums, tile_at, zeros

CHUNK = tl.constexpr(4)  # steps in the body of the loop over time. The body is unrolled, the loop is not.


@triton.jit
def weights(w_ptr, K: tl.constexpr):
    """(w_0 .. w_{K-1})."""
    ws = ()
    for i in tl.static_range(K):
        ws = ws + (tl.load(w_ptr + K - 1 - i),)
    return ws


@triton.jit
def moved(window, newest, K: tl.constexpr):
    """The window one step on, the newest value first."""
    new = (newest,)
    for i in tl.static_range(K - 1):
        new = new + (window[i],)
    return new


@triton.jit
def potential(us, ws, bias, K: tl.constexpr):
    """h_t from u_t, u_{t-1}, ..."""
    h = us[0] * ws[0] + bias
    for i in tl.static_range(1, K):
        h = tl.fma(us[i], ws[i], h)
    return h


@triton.jit
def sliding_forward_kernel(
    x_ptr, residual_ptr, scale_ptr, shift_ptr, w_ptr, b_ptr, out_ptr,
    positions, channels, inner, step, amplitude: tl.constexpr,
    T: tl.constexpr, K: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr,
    STATIC: tl.constexpr, NORM: tl.constexpr, RESIDUAL: tl.constexpr, STRICT: tl.constexpr,
):  # fmt: skip
    """Spikes of T steps; x is one step if STATIC."""
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    mask, offset = tile_at(tl.program_id(0), channel, positions, channels, inner, BP, CHANNELS_LAST)
    scale = channel_row(scale_ptr, channel, channels, 1.0, NORM)
    shift = channel_row(shift_ptr, channel, channels, 0.0, NORM)
    ws, bias = weights(w_ptr, K), tl.load(b_ptr)
    x = tl.load(x_ptr + offset, mask=mask, other=0.0).to(tl.float32)
    us = zeros(K, BP, BC)
    for start in range(0, T, CHUNK):
        for n in tl.static_range(CHUNK):
            here = mask & (tl.full((1, 1), start + n, tl.int32) < T)
            at = tl.cast(step, tl.int64) * (start + n) + offset
            if not STATIC:
                x = tl.load(x_ptr + at, mask=here, other=0.0).to(tl.float32)
            us = moved(us, current(x, residual_ptr, at, here, scale, shift, NORM, RESIDUAL), K)
            h = potential(us, ws, bias, K)
            fired = h > 0.0 if STRICT else h >= 0.0
            tl.store(out_ptr + at, tl.where(fired, amplitude, 0.0).to(out_ptr.dtype.element_ty), mask=here)


@triton.jit
def sliding_backward_kernel(
    g_ptr, x_ptr, residual_ptr, scale_ptr, shift_ptr, mean_ptr, rstd_ptr, w_ptr, b_ptr, affine_ptr,
    out_ptr, sums_ptr, w_sums_ptr,
    positions, channels, inner, step, amplitude: tl.constexpr, p0, p1,
    T: tl.constexpr, K: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr,
    STATIC: tl.constexpr, NORM: tl.constexpr, RESIDUAL: tl.constexpr, SURROGATE: tl.constexpr,
    SUMS: tl.constexpr, SUM_W: tl.constexpr, WRITE: tl.constexpr, AFFINE: tl.constexpr,
):  # fmt: skip
    """dL/du_t from g = dL/ds_t. What WRITE, AFFINE and SUMS mean: see membrane/sequence.py.

    SUM_W stores this program's sums of dL/dweight, then of dL/db, to `w_sums [programs, K + 1]`.
    """
    programs = tl.num_programs(0)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    scale = channel_row(scale_ptr, channel, channels, 1.0, NORM)
    shift = channel_row(shift_ptr, channel, channels, 0.0, NORM)
    mean = channel_row(mean_ptr, channel, channels, 0.0, SUMS)
    rstd = channel_row(rstd_ptr, channel, channels, 0.0, SUMS)
    a = channel_row(affine_ptr, channel, channels, 1.0, AFFINE)
    b = channel_row(affine_ptr + channels, channel, channels, 0.0, AFFINE)
    d = channel_row(affine_ptr + 2 * channels, channel, channels, 0.0, AFFINE)
    ws, bias = weights(w_ptr, K), tl.load(b_ptr)
    nothing = tl.zeros((BP, BC), tl.float32)
    sum_g, sum_gx, sums_w = nothing, nothing, zeros(K + 1 if SUM_W else 0, BP, BC)
    for tile in range(tl.program_id(0), tl.cdiv(positions, BP), programs):
        mask, offset = tile_at(tile, channel, positions, channels, inner, BP, CHANNELS_LAST)
        x = tl.load(x_ptr + offset, mask=mask, other=0.0).to(tl.float32)
        xs, us, qs = zeros(K, BP, BC), zeros(K, BP, BC), zeros(K, BP, BC)
        total = nothing
        for start in range(0, T + K - 1, CHUNK):
            # issue all loads of the chunk first, since a load after a store would wait for that store
            loaded, gs = (), ()
            for n in tl.static_range(CHUNK):
                here = mask & (tl.full((1, 1), start + n, tl.int32) < T)
                at = tl.cast(step, tl.int64) * (start + n) + offset
                if not STATIC:
                    loaded = loaded + (tl.load(x_ptr + at, mask=here, other=0.0),)
                gs = gs + (tl.load(g_ptr + at, mask=here, other=0.0),)
            # then step by step: q_t of the newest step, and with it the finished gradient of the step K - 1 before
            for n in tl.static_range(CHUNK):
                here = mask & (tl.full((1, 1), start + n, tl.int32) < T)
                at = tl.cast(step, tl.int64) * (start + n) + offset
                if not STATIC:
                    x = loaded[n].to(tl.float32)
                xs = moved(xs, x, K)
                us = moved(us, current(x, residual_ptr, at, here, scale, shift, NORM, RESIDUAL), K)
                g_s = gs[n].to(tl.float32) * amplitude
                q = g_s * surrogate_derivative(potential(us, ws, bias, K), p0, p1, SURROGATE)
                qs = moved(qs, q, K)
                if SUM_W:
                    grown = ()
                    for i in tl.static_range(K):
                        grown = grown + (tl.fma(q, us[i], sums_w[i]),)
                    sums_w = grown + (sums_w[K] + q,)
                g_u = qs[K - 1] * ws[0]
                for i in tl.static_range(1, K):
                    g_u = tl.fma(qs[K - 1 - i], ws[i], g_u)
                j = start + n - (K - 1)
                there = mask & (tl.full((1, 1), j, tl.int32) >= 0) & (tl.full((1, 1), j, tl.int32) < T)
                g_u = tl.where(there, g_u, 0.0)
                if SUMS:
                    sum_g += g_u
                    sum_gx = tl.fma(g_u, xs[K - 1] - mean, sum_gx)
                if WRITE and STATIC:
                    total += g_u
                if WRITE and not STATIC:
                    out = tl.fma(a, g_u, tl.fma(b, xs[K - 1], d)) if AFFINE else g_u
                    to = tl.cast(step, tl.int64) * j + offset
                    tl.store(out_ptr + to, out.to(out_ptr.dtype.element_ty), mask=there)
        if WRITE and STATIC:
            out = a * total + b * x + d if AFFINE else total
            tl.store(out_ptr + offset, out.to(out_ptr.dtype.element_ty), mask=mask)
    if SUMS:
        store_sums(sums_ptr, sum_g, sum_gx * rstd, channel, channels)
    if SUM_W:
        row = w_sums_ptr + (tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)) * (K + 1)
        for i in tl.static_range(K):
            tl.store(row + K - 1 - i, tl.sum(tl.sum(sums_w[i], 1), 0))
        tl.store(row + K, tl.sum(tl.sum(sums_w[K], 1), 0))
