"""Kernels that walk an adaptive neuron (ALIF, BlockALIF) over a whole sequence, with norm and residual folded in.

    u_t = x_t * scale + shift (+ r_t);   every block of L steps: spikes and state from `device.walk`

A program owns a tile of BP positions x BC channels and walks all T steps with the three states in registers, a chunk of
whole blocks at a time. The backward computes the potentials again from x. Where there are several chunks it first walks
forward and stores the states at the start of each (fp32), and then walks the chunks back one by one.

Bytes moved per element and step, w = bytes of the dtype, as a membrane neuron's: alone 2w forward and 3w backward, with
a norm in training 3w and 5w; a residual adds w and 2w. T > CHUNK: the backward reads x once more and moves 24/CHUNK
bytes of states. Rows of numbers stay in the cache: 3 of a program, and 2 more of every step for BlockALIF.
"""

from __future__ import annotations

import triton
import triton.language as tl

from snnbench.kernels.adaptive.device import LEARNT, walk, walk_back
from snnbench.kernels.common.tiles import channel_row, current, lanes, row_of, store_sums, tile_at


@triton.jit
def inputs(
    x_ptr, residual_ptr, start, x, offset, mask, step, scale, shift,
    T: tl.constexpr, LENGTH: tl.constexpr, STATIC: tl.constexpr, NORM: tl.constexpr, RESIDUAL: tl.constexpr,
):  # fmt: skip
    """(x_start ..), (u_start ..) of a block, fp32; past the end x is 0. x: the one step there is if STATIC."""
    xs, us = (), ()
    for t in tl.static_range(LENGTH):
        at, here = place_of(start + t, offset, mask, step, T)
        if not STATIC:
            x = tl.load(x_ptr + at, mask=here, other=0.0).to(tl.float32)
        xs = xs + (x,)
        us = us + (current(x, residual_ptr, at, here, scale, shift, NORM, RESIDUAL),)
    return xs, us


@triton.jit
def place_of(t, offset, mask, step, T: tl.constexpr):
    """Offsets of step t, and which of them there are: none past the end, where they are the last step's."""
    return tl.cast(step, tl.int64) * tl.minimum(t, T - 1) + offset, mask & (t + tl.zeros((1, 1), tl.int32) < T)


@triton.jit
def learnt_rows(c_ptr, lane, channels):
    """beta, p, b."""
    beta, p = row_of(c_ptr, 0, lane, channels, False), row_of(c_ptr, 1, lane, channels, False)
    return beta, p, row_of(c_ptr, 2, lane, channels, False)


@triton.jit
def forward_kernel(
    x_ptr, residual_ptr, scale_ptr, shift_ptr, c_ptr, out_ptr,
    positions, channels, inner, step, v_th, latency, amplitude: tl.constexpr,
    T: tl.constexpr, CHUNK: tl.constexpr, LENGTH: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr,
    CHANNELS_LAST: tl.constexpr, STATIC: tl.constexpr, NORM: tl.constexpr, RESIDUAL: tl.constexpr,
    BLOCK: tl.constexpr, STRICT: tl.constexpr,
):  # fmt: skip
    """Spikes of T steps; x is one step if STATIC."""
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    mask, offset = tile_at(tl.program_id(0), channel, positions, channels, inner, BP, CHANNELS_LAST)
    scale = channel_row(scale_ptr, channel, channels, 1.0, NORM)
    shift = channel_row(shift_ptr, channel, channels, 0.0, NORM)
    lane = lanes(channel, BP, CHANNELS_LAST)
    c = learnt_rows(c_ptr, lane, channels)
    x = tl.zeros((BP, BC), tl.float32)
    if STATIC:
        x = tl.load(x_ptr + offset, mask=mask, other=0.0).to(tl.float32)
    v, a = tl.zeros((BP, BC), tl.float32), tl.zeros((BP, BC), tl.float32)
    m = tl.zeros((BP, BC), tl.float32) + (LENGTH if BLOCK else 0)
    for chunk in range(0, T, CHUNK):
        for i in tl.static_range(0, CHUNK, LENGTH):
            _, us = inputs(
                x_ptr, residual_ptr, chunk + i, x, offset, mask, step, scale, shift, T, LENGTH, STATIC, NORM, RESIDUAL
            )
            _, spikes, v, a, m = walk(us, v, a, m, c, c_ptr, lane, channels, v_th, latency, LENGTH, BLOCK, STRICT)
            for t in tl.static_range(LENGTH):
                at, here = place_of(chunk + i + t, offset, mask, step, T)
                tl.store(out_ptr + at, tl.where(spikes[t], amplitude, 0.0).to(out_ptr.dtype.element_ty), mask=here)


@triton.jit
def backward_kernel(
    g_ptr, x_ptr, residual_ptr, scale_ptr, shift_ptr, mean_ptr, rstd_ptr, c_ptr, affine_ptr, state_ptr,
    out_ptr, sums_ptr, c_sums_ptr,
    positions, channels, inner, step, v_th, latency, amplitude: tl.constexpr, p0, p1,
    T: tl.constexpr, CHUNK: tl.constexpr, LENGTH: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr,
    CHANNELS_LAST: tl.constexpr, STATIC: tl.constexpr, NORM: tl.constexpr, RESIDUAL: tl.constexpr,
    BLOCK: tl.constexpr, STRICT: tl.constexpr, DETACH: tl.constexpr, SURROGATE: tl.constexpr,
    SUMS: tl.constexpr, SUM_LEARNT: tl.constexpr, WRITE: tl.constexpr, AFFINE: tl.constexpr,
):  # fmt: skip
    """dL/du_t from g = dL/ds_t. What WRITE, AFFINE and SUMS mean: see membrane/sequence.py.

    SUM_LEARNT stores sums of dL/d(beta, p, b) to `c_sums [programs, 3, channels]`. `state` is `[chunks, 3, step]` fp32
    and used where there is more than one chunk.
    """
    programs = tl.num_programs(0)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    is_channel = channel < channels
    CHUNKS: tl.constexpr = (T + CHUNK - 1) // CHUNK
    BLOCKS: tl.constexpr = CHUNK // LENGTH
    scale = channel_row(scale_ptr, channel, channels, 1.0, NORM)
    shift = channel_row(shift_ptr, channel, channels, 0.0, NORM)
    mean = channel_row(mean_ptr, channel, channels, 0.0, SUMS)
    rstd = channel_row(rstd_ptr, channel, channels, 0.0, SUMS)
    ga = channel_row(affine_ptr, channel, channels, 1.0, AFFINE)
    gb = channel_row(affine_ptr + channels, channel, channels, 0.0, AFFINE)
    gd = channel_row(affine_ptr + 2 * channels, channel, channels, 0.0, AFFINE)
    lane = lanes(channel, BP, CHANNELS_LAST)
    c = learnt_rows(c_ptr, lane, channels)
    nothing = tl.zeros((BP, BC), tl.float32)
    sum_g, sum_gx, sum_beta, sum_p, sum_b = nothing, nothing, nothing, nothing, nothing
    for tile in range(tl.program_id(0), tl.cdiv(positions, BP), programs):
        mask, offset = tile_at(tile, channel, positions, channels, inner, BP, CHANNELS_LAST)
        x = nothing
        if STATIC:
            x = tl.load(x_ptr + offset, mask=mask, other=0.0).to(tl.float32)
        v, a, m = nothing, nothing, nothing + (LENGTH if BLOCK else 0)
        # phase 1, several chunks only: walk forward and store the states at the start of every chunk
        if CHUNKS > 1:
            for chunk in range(CHUNKS):
                state_at = state_ptr + tl.cast(step, tl.int64) * (3 * chunk) + offset
                tl.store(state_at, v, mask=mask)
                tl.store(state_at + step, a, mask=mask)
                tl.store(state_at + 2 * step, m, mask=mask)
                for i in tl.static_range(BLOCKS):
                    start = chunk * CHUNK + i * LENGTH
                    _, us = inputs(
                        x_ptr, residual_ptr, start, x, offset, mask, step, scale, shift,
                        T, LENGTH, STATIC, NORM, RESIDUAL,
                    )  # fmt: skip
                    _, _, v, a, m = walk(us, v, a, m, c, c_ptr, lane, channels, v_th, latency, LENGTH, BLOCK, STRICT)
        # phase 2: the chunks from the last to the first
        g_v, g_a, total = nothing, nothing, nothing
        for back in range(CHUNKS):
            chunk = CHUNKS - 1 - back
            if CHUNKS > 1:
                state_at = state_ptr + tl.cast(step, tl.int64) * (3 * chunk) + offset
                v = tl.load(state_at, mask=mask, other=0.0)
                a = tl.load(state_at + step, mask=mask, other=0.0)
                m = tl.load(state_at + 2 * step, mask=mask, other=0.0)
            # forward through the chunk: what the way back needs stays in registers
            xs, hs, vs, as_, ms = (), (), (v,), (a,), (m,)
            for i in tl.static_range(BLOCKS):
                start = chunk * CHUNK + i * LENGTH
                block_xs, us = inputs(
                    x_ptr, residual_ptr, start, x, offset, mask, step, scale, shift, T, LENGTH, STATIC, NORM, RESIDUAL
                )
                block_hs, _, v, a, m = walk(us, v, a, m, c, c_ptr, lane, channels, v_th, latency, LENGTH, BLOCK, STRICT)
                xs, hs = xs + (block_xs,), hs + (block_hs,)
                vs, as_, ms = vs + (v,), as_ + (a,), ms + (m,)
            # back through the chunk: g_v and g_a carry the gradient of the states to the block before
            for i in tl.static_range(BLOCKS - 1, -1, -1):
                start = chunk * CHUNK + i * LENGTH
                gs = ()
                for t in tl.static_range(LENGTH):
                    at, here = place_of(start + t, offset, mask, step, T)
                    gs = gs + (tl.load(g_ptr + at, mask=here, other=0.0).to(tl.float32) * amplitude,)
                g_us, g_v, g_a, g_c = walk_back(
                    gs, g_v, g_a, hs[i], vs[i], as_[i], ms[i], ms[i + 1], c, c_ptr, lane, channels, v_th, p0, p1,
                    LENGTH, BLOCK, STRICT, DETACH, SURROGATE,
                )  # fmt: skip
                if SUM_LEARNT:
                    sum_beta += g_c[0]
                    sum_p += g_c[1]
                    sum_b += g_c[2]
                for t in tl.static_range(LENGTH):
                    if SUMS:
                        sum_g += g_us[t]
                        sum_gx = tl.fma(g_us[t], xs[i][t] - mean, sum_gx)
                    if WRITE and STATIC:
                        total += g_us[t]
                    if WRITE and not STATIC:
                        at, here = place_of(start + t, offset, mask, step, T)
                        out = tl.fma(ga, g_us[t], tl.fma(gb, xs[i][t], gd)) if AFFINE else g_us[t]
                        tl.store(out_ptr + at, out.to(out_ptr.dtype.element_ty), mask=here)
        if WRITE and STATIC:
            out = ga * total + gb * x + gd if AFFINE else total
            tl.store(out_ptr + offset, out.to(out_ptr.dtype.element_ty), mask=mask)
    # phase 3: the program's sums over its tiles; they are added up over the programs elsewhere, in a fixed order
    if SUMS:
        store_sums(sums_ptr, sum_g, sum_gx * rstd, channel, channels)
    if SUM_LEARNT:
        row = c_sums_ptr + tl.program_id(0) * LEARNT * channels + channel
        tl.store(row, tl.sum(sum_beta, 0), mask=is_channel)
        tl.store(row + channels, tl.sum(sum_p, 0), mask=is_channel)
        tl.store(row + 2 * channels, tl.sum(sum_b, 0), mask=is_channel)
