"""Kernels of neurons that are one matrix over time (the PSN family), with norm and residual folded in.

    u_t = x_t * scale + shift (+ r_t);    h_t = sum_j W[t, j] u_j + b_t;    s_t = H(h_t)

A program owns a tile and holds the T values of u in registers (T <= form.PARALLEL_STEPS: T^2 products an element). The
backward computes h again from x. W and h stay fp32 and h never leaves the registers; PyTorch's matrix product writes h
to memory in fp32, and its gradient again.

Bytes moved per element and step, w = bytes of the dtype, as a membrane neuron's: alone 2w forward and 3w backward; with
a norm in training 3w and 5w; a residual adds w and 2w.
"""

from __future__ import annotations

import triton
import triton.language as tl

from snnbench.kernels.common.firing import surrogate_derivative
from snnbench.kernels.common.tiles import channel_row, current, store_sums, tile_at, zeros


@triton.jit
def inputs(
    x_ptr, residual_ptr, offset, mask, step, scale, shift,
    T: tl.constexpr, STATIC: tl.constexpr, NORM: tl.constexpr, RESIDUAL: tl.constexpr,
):  # fmt: skip
    """(x_0 .. x_{T-1}), (u_0 .. u_{T-1}), fp32."""
    xs, us = (), ()
    x = tl.load(x_ptr + offset, mask=mask, other=0.0).to(tl.float32)
    for t in tl.static_range(T):
        at = tl.cast(step, tl.int64) * t + offset
        if t > 0 and not STATIC:
            x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
        xs = xs + (x,)
        us = us + (current(x, residual_ptr, at, mask, scale, shift, NORM, RESIDUAL),)
    return xs, us


@triton.jit
def potential(us, w_ptr, b_ptr, t: tl.constexpr, T: tl.constexpr):
    """h_t. The products are added one after the other with fma, in fp32."""
    h = us[0] * tl.load(w_ptr + t * T) + tl.load(b_ptr + t)
    for j in tl.static_range(1, T):
        h = tl.fma(us[j], tl.load(w_ptr + t * T + j), h)
    return h


@triton.jit
def forward_kernel(
    x_ptr, residual_ptr, scale_ptr, shift_ptr, w_ptr, b_ptr, out_ptr,
    positions, channels, inner, step, amplitude: tl.constexpr,
    T: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr,
    STATIC: tl.constexpr, NORM: tl.constexpr, RESIDUAL: tl.constexpr, STRICT: tl.constexpr,
):  # fmt: skip
    """Spikes of T steps; x is one step if STATIC."""
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    mask, offset = tile_at(tl.program_id(0), channel, positions, channels, inner, BP, CHANNELS_LAST)
    scale = channel_row(scale_ptr, channel, channels, 1.0, NORM)
    shift = channel_row(shift_ptr, channel, channels, 0.0, NORM)
    _, us = inputs(x_ptr, residual_ptr, offset, mask, step, scale, shift, T, STATIC, NORM, RESIDUAL)
    for t in tl.static_range(T):
        h = potential(us, w_ptr, b_ptr, t, T)
        fired = h > 0.0 if STRICT else h >= 0.0
        at = tl.cast(step, tl.int64) * t + offset
        tl.store(out_ptr + at, tl.where(fired, amplitude, 0.0).to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def backward_kernel(
    g_ptr, x_ptr, residual_ptr, scale_ptr, shift_ptr, mean_ptr, rstd_ptr, w_ptr, b_ptr, affine_ptr,
    out_ptr, sums_ptr, w_sums_ptr,
    positions, channels, inner, step, amplitude: tl.constexpr, p0, p1,
    T: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr,
    STATIC: tl.constexpr, NORM: tl.constexpr, RESIDUAL: tl.constexpr, SURROGATE: tl.constexpr,
    SUMS: tl.constexpr, SUM_W: tl.constexpr, WRITE: tl.constexpr, AFFINE: tl.constexpr,
):  # fmt: skip
    """dL/du_t from g = dL/ds_t. What WRITE, AFFINE and SUMS mean: see membrane/sequence.py.

    SUM_W stores this program's sums of dL/dW, then of dL/db, to `w_sums [programs, T^2 + T]`.
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
    nothing = tl.zeros((BP, BC), tl.float32)
    sum_g, sum_gx, sums_w = nothing, nothing, zeros(T * T + T if SUM_W else 0, BP, BC)
    for tile in range(tl.program_id(0), tl.cdiv(positions, BP), programs):
        mask, offset = tile_at(tile, channel, positions, channels, inner, BP, CHANNELS_LAST)
        xs, us = inputs(x_ptr, residual_ptr, offset, mask, step, scale, shift, T, STATIC, NORM, RESIDUAL)
        # phase 1: q_t = dL/ds_t s'(h_t) of all steps, with h computed again
        slopes = ()
        for t in tl.static_range(T):
            at = tl.cast(step, tl.int64) * t + offset
            g_s = tl.load(g_ptr + at, mask=mask, other=0.0).to(tl.float32) * amplitude
            slopes = slopes + (g_s * surrogate_derivative(potential(us, w_ptr, b_ptr, t, T), p0, p1, SURROGATE),)
        # phase 2: dL/du_j = sum_t W[t, j] q_t
        total = nothing
        for j in tl.static_range(T):
            g_u = nothing
            for t in tl.static_range(T):
                g_u = tl.fma(slopes[t], tl.load(w_ptr + t * T + j), g_u)
            if SUMS:
                sum_g += g_u
                sum_gx = tl.fma(g_u, xs[j] - mean, sum_gx)
            if WRITE and STATIC:
                total += g_u
            if WRITE and not STATIC:
                out = tl.fma(a, g_u, tl.fma(b, xs[j], d)) if AFFINE else g_u
                at = tl.cast(step, tl.int64) * j + offset
                tl.store(out_ptr + at, out.to(out_ptr.dtype.element_ty), mask=mask)
        if WRITE and STATIC:
            out = a * total + b * xs[0] + d if AFFINE else total
            tl.store(out_ptr + offset, out.to(out_ptr.dtype.element_ty), mask=mask)
        # phase 3: dL/dW[t, j] = sum q_t u_j and dL/db_t = sum q_t, in registers over all tiles
        if SUM_W:
            grown = ()
            for i in tl.static_range(T * T):
                grown = grown + (tl.fma(slopes[i // T], us[i % T], sums_w[i]),)
            for t in tl.static_range(T):
                grown = grown + (sums_w[T * T + t] + slopes[t],)
            sums_w = grown
    if SUMS:
        store_sums(sums_ptr, sum_g, sum_gx * rstd, channel, channels)
    if SUM_W:
        row = w_sums_ptr + (tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)) * (T * T + T)
        for i in tl.static_range(T * T + T):
            tl.store(row + i, tl.sum(tl.sum(sums_w[i], 1), 0))
