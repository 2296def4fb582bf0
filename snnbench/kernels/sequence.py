"""Kernels over a whole sequence of a membrane neuron, with the norm before it and a residual current folded in.

    u_t = x_t * scale + shift (+ r_t)      NORM, RESIDUAL
    h_t = charge(v_{t-1}, u_t),  s_t = H(h_t - v_th),  v_t = reset(h_t, s_t)

A program owns a tile of BP positions x BC channels and walks all T steps with the membrane in registers. The backward
recomputes the membrane from x instead of storing it: nothing but x (which the norm needs anyway) is kept. From
T > CHUNK on it first stores v every CHUNK steps (fp32), then recomputes chunk by chunk from the last one.

Bytes moved per element and step, w = bytes of the dtype: neuron alone 2w forward, 3w backward; with a norm in training
3w forward (one pass of statistics) and 5w backward; a residual adds w forward and 2w backward. T > CHUNK: the backward
reads x once more and moves 8/CHUNK bytes for the stored membranes.

One step of x holds `[outer, channels, inner]`, outer * inner = positions; channels-last is inner = 1.
"""

from __future__ import annotations

import triton
import triton.language as tl

from snnbench.kernels.device import charge, fires, leak_gradient, reset, through_charge, through_reset


@triton.jit
def tile_offsets(position, channel, channels, inner, CHANNELS_LAST: tl.constexpr):
    """Offsets inside one step, `[BP, BC]`."""
    if CHANNELS_LAST:
        return position[:, None] * channels + channel[None, :]
    first = (position // inner) * (channels * inner) + position % inner
    return first[:, None] + (channel * inner)[None, :]


@triton.jit
def current(x, residual_ptr, at, mask, scale, shift, NORM: tl.constexpr, RESIDUAL: tl.constexpr):
    """u_t from the loaded x_t (fp32)."""
    u = tl.fma(x, scale, shift) if NORM else x
    if RESIDUAL:
        u += tl.load(residual_ptr + at, mask=mask, other=0.0).to(tl.float32)
    return u


@triton.jit
def forward_kernel(
    x_ptr, residual_ptr, scale_ptr, shift_ptr, k_ptr, out_ptr,
    positions, channels, inner, step, k, v_th, v_reset, amplitude,
    T: tl.constexpr, CHUNK: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr,
    STATIC: tl.constexpr, NORM: tl.constexpr, RESIDUAL: tl.constexpr, LEARNT: tl.constexpr, CHARGE: tl.constexpr,
    SOFT: tl.constexpr, STRICT: tl.constexpr,
):  # fmt: skip
    """Spikes of T steps; x is one step if STATIC."""
    position = tl.program_id(0) * BP + tl.arange(0, BP)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    mask = (position < positions)[:, None] & (channel < channels)[None, :]
    offset = tile_offsets(position, channel, channels, inner, CHANNELS_LAST)
    scale, shift = 1.0, 0.0
    if NORM:
        scale = tl.load(scale_ptr + channel, mask=channel < channels, other=0.0)[None, :]
        shift = tl.load(shift_ptr + channel, mask=channel < channels, other=0.0)[None, :]
    if LEARNT:
        k = tl.load(k_ptr)
    if STATIC:
        x = tl.load(x_ptr + offset, mask=mask, other=0.0).to(tl.float32)
    v = tl.zeros((BP, BC), tl.float32) + v_reset
    for start in range(0, T, CHUNK):
        for j in tl.static_range(CHUNK):
            t = start + j
            at = tl.cast(step, tl.int64) * t + offset
            here = mask if T % CHUNK == 0 else mask & (tl.full((1, 1), t, tl.int32) < T)
            if not STATIC:
                x = tl.load(x_ptr + at, mask=here, other=0.0).to(tl.float32)
            u = current(x, residual_ptr, at, here, scale, shift, NORM, RESIDUAL)
            h = charge(v, u, k, v_reset, CHARGE)
            fired = fires(h, v_th, STRICT)
            v = reset(h, fired, v_th, v_reset, SOFT)
            tl.store(out_ptr + at, tl.where(fired, amplitude, 0.0).to(out_ptr.dtype.element_ty), mask=here)


@triton.jit
def backward_kernel(
    g_ptr, x_ptr, residual_ptr, scale_ptr, shift_ptr, mean_ptr, rstd_ptr, k_ptr, affine_ptr, membrane_ptr,
    out_ptr, sums_ptr, k_sums_ptr,
    positions, channels, inner, step, k, v_th, v_reset, amplitude, p0, p1,
    T: tl.constexpr, CHUNK: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr,
    STATIC: tl.constexpr, NORM: tl.constexpr, RESIDUAL: tl.constexpr, LEARNT: tl.constexpr, CHARGE: tl.constexpr,
    SOFT: tl.constexpr, STRICT: tl.constexpr, DETACH: tl.constexpr, SURROGATE: tl.constexpr,
    SUMS: tl.constexpr, SUM_K: tl.constexpr, WRITE: tl.constexpr, AFFINE: tl.constexpr,
):  # fmt: skip
    """dL/du_t from g = dL/ds_t.

    WRITE: store it to out (summed over T if STATIC), as a dL/du + b x + d with AFFINE. SUMS: per-channel sums of dL/du
    and of dL/du * (x - mean) * rstd to `sums [2, programs, channels]`. SUM_K: sums of dL/dk to `k_sums [programs]`.
    """
    programs = tl.num_programs(0)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    is_channel = channel < channels
    CHUNKS: tl.constexpr = (T + CHUNK - 1) // CHUNK
    scale, shift, mean, rstd, a, b, d = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0
    if NORM:
        scale = tl.load(scale_ptr + channel, mask=is_channel, other=0.0)[None, :]
        shift = tl.load(shift_ptr + channel, mask=is_channel, other=0.0)[None, :]
    if SUMS:
        mean = tl.load(mean_ptr + channel, mask=is_channel, other=0.0)[None, :]
        rstd = tl.load(rstd_ptr + channel, mask=is_channel, other=0.0)[None, :]
    if AFFINE:
        a = tl.load(affine_ptr + channel, mask=is_channel, other=0.0)[None, :]
        b = tl.load(affine_ptr + channels + channel, mask=is_channel, other=0.0)[None, :]
        d = tl.load(affine_ptr + 2 * channels + channel, mask=is_channel, other=0.0)[None, :]
    if LEARNT:
        k = tl.load(k_ptr)
    sum_g = tl.zeros((BP, BC), tl.float32)
    sum_gx = tl.zeros((BP, BC), tl.float32)
    sum_k = tl.zeros((BP, BC), tl.float32)
    for tile in range(tl.program_id(0), tl.cdiv(positions, BP), programs):
        position = tile * BP + tl.arange(0, BP)
        mask = (position < positions)[:, None] & is_channel[None, :]
        offset = tile_offsets(position, channel, channels, inner, CHANNELS_LAST)
        x = tl.zeros((BP, BC), tl.float32)
        if STATIC:
            x = tl.load(x_ptr + offset, mask=mask, other=0.0).to(tl.float32)
        v = tl.zeros((BP, BC), tl.float32) + v_reset
        if CHUNKS > 1:
            for chunk in range(CHUNKS):
                tl.store(membrane_ptr + tl.cast(step, tl.int64) * chunk + offset, v, mask=mask)
                for j in tl.static_range(CHUNK):
                    t = chunk * CHUNK + j
                    at = tl.cast(step, tl.int64) * t + offset
                    here = mask & (tl.full((1, 1), t, tl.int32) < T)
                    if not STATIC:
                        x = tl.load(x_ptr + at, mask=here, other=0.0).to(tl.float32)
                    u = current(x, residual_ptr, at, here, scale, shift, NORM, RESIDUAL)
                    h = charge(v, u, k, v_reset, CHARGE)
                    v = reset(h, fires(h, v_th, STRICT), v_th, v_reset, SOFT)
        g_v = tl.zeros((BP, BC), tl.float32)
        total = tl.zeros((BP, BC), tl.float32)
        for back in range(CHUNKS):
            chunk = CHUNKS - 1 - back
            if CHUNKS > 1:
                v = tl.load(membrane_ptr + tl.cast(step, tl.int64) * chunk + offset, mask=mask, other=0.0)
            xs, us, vs, hs = (), (), (), ()
            for j in tl.static_range(CHUNK):
                t = chunk * CHUNK + j
                at = tl.cast(step, tl.int64) * t + offset
                here = mask if T % CHUNK == 0 else mask & (tl.full((1, 1), t, tl.int32) < T)
                if not STATIC:
                    x = tl.load(x_ptr + at, mask=here, other=0.0).to(tl.float32)
                u = current(x, residual_ptr, at, here, scale, shift, NORM, RESIDUAL)
                h = charge(v, u, k, v_reset, CHARGE)
                xs = xs + (x,)
                us = us + (u,)
                vs = vs + (v,)
                hs = hs + (h,)
                v = reset(h, fires(h, v_th, STRICT), v_th, v_reset, SOFT)
            for j in tl.static_range(CHUNK):
                t = chunk * CHUNK + CHUNK - 1 - j
                at = tl.cast(step, tl.int64) * t + offset
                here = mask if T % CHUNK == 0 else mask & (tl.full((1, 1), t, tl.int32) < T)
                h = hs[CHUNK - 1 - j]
                g_s = tl.load(g_ptr + at, mask=here, other=0.0).to(tl.float32) * amplitude
                g_h = through_reset(g_v, g_s, h, fires(h, v_th, STRICT), v_th, v_reset, p0, p1, SOFT, DETACH, SURROGATE)
                if SUM_K:
                    sum_k += leak_gradient(g_h, vs[CHUNK - 1 - j], us[CHUNK - 1 - j], v_reset, CHARGE)
                g_u, g_v = through_charge(g_h, k, CHARGE)
                if SUMS:
                    sum_g += g_u
                    sum_gx += g_u * ((xs[CHUNK - 1 - j] - mean) * rstd)
                if WRITE and STATIC:
                    total += g_u
                if WRITE and not STATIC:
                    out = a * g_u + b * xs[CHUNK - 1 - j] + d if AFFINE else g_u
                    tl.store(out_ptr + at, out.to(out_ptr.dtype.element_ty), mask=here)
        if WRITE and STATIC:
            out = a * total + b * x + d if AFFINE else total
            tl.store(out_ptr + offset, out.to(out_ptr.dtype.element_ty), mask=mask)
    if SUMS:
        at = tl.program_id(0) * channels + channel
        tl.store(sums_ptr + at, tl.sum(sum_g, 0), mask=is_channel)
        tl.store(sums_ptr + programs * channels + at, tl.sum(sum_gx, 0), mask=is_channel)
    if SUM_K:
        tl.store(k_sums_ptr + tl.program_id(0) * tl.num_programs(1) + tl.program_id(1), tl.sum(tl.sum(sum_k, 1), 0))


@triton.jit
def affine_kernel(
    g_ptr, x_ptr, affine_ptr, out_ptr, positions, channels, inner,
    BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr,
):  # fmt: skip
    """out = a g + b x + d per channel: the norm's input gradient once dL/du is stored."""
    position = tl.program_id(0) * BP + tl.arange(0, BP)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    is_channel = channel < channels
    mask = (position < positions)[:, None] & is_channel[None, :]
    at = tile_offsets(tl.cast(position, tl.int64), channel, channels, inner, CHANNELS_LAST)
    a = tl.load(affine_ptr + channel, mask=is_channel, other=0.0)[None, :]
    b = tl.load(affine_ptr + channels + channel, mask=is_channel, other=0.0)[None, :]
    d = tl.load(affine_ptr + 2 * channels + channel, mask=is_channel, other=0.0)[None, :]
    g = tl.load(g_ptr + at, mask=mask, other=0.0).to(tl.float32)
    x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
    tl.store(out_ptr + at, (a * g + b * x + d).to(out_ptr.dtype.element_ty), mask=mask)
