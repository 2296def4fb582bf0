"""Kernels that walk a membrane neuron over a whole sequence, together with the norm before it and a residual current.

    u_t = (x_t * scale + shift) p_t (+ r_t)      NORM, STEPS (TEBN's p), RESIDUAL
    h_t = charge(v_{t-1}, m_{t-1}, u_t gain_t),  s_t = H(h_t - v_th),  (v_t, m_t) = reset(h_t, m_{t-1}, s_t)

`device` has charge and reset of each neuron; gain_t is GLIF's. A program owns a tile of BP positions x BC channels and
walks all T steps with both states in registers. The backward computes the states again from x, so nothing is kept but
x, which the norm needs anyway. A sequence longer than CHUNK steps does not fit into the registers: the backward then
first walks forward and stores the states at the start of every chunk (fp32), and walks the chunks back one by one.

Bytes moved per element and step, w = bytes of the dtype, for every neuron:

    alone                       2w forward, 3w backward
    with a norm in training     3w forward (one pass more for the statistics), 5w backward
    a residual adds             w forward, 2w backward
    T > CHUNK adds              w backward, and 8/CHUNK bytes for each state (CLIF and GLIF have two, the others one)

Gradients of learnt numbers add partial sums only: some numbers for each program, channel and step. One step of x holds
`[outer, channels, inner]`, outer * inner = positions; channels-last is inner = 1.
"""

from __future__ import annotations

import triton
import triton.language as tl

from snnbench.kernels.common.firing import fires
from snnbench.kernels.common.tiles import (
    added,
    channel_row,
    current,
    factor,
    lanes,
    row_of,
    store_sums,
    tile_at,
    zeros,
)
from snnbench.kernels.membrane.device import (
    COMPLEMENTARY,
    COMPLEMENTARY_OVERWRITTEN,
    GATED,
    GATED_NUMBERS,
    charge,
    number_gradients,
    numbers,
    reset,
    through_charge,
    through_reset,
)


@triton.jit
def gained(u, c_ptr, t, lane, channels, DYNAMICS: tl.constexpr, SHARED: tl.constexpr):
    """The current that charges the neuron at step t: u_t, for GLIF multiplied by the gain of the step."""
    return u * row_of(c_ptr, GATED_NUMBERS + t, lane, channels, SHARED) if DYNAMICS == GATED else u


@triton.jit
def forward_kernel(
    x_ptr, residual_ptr, scale_ptr, shift_ptr, steps_ptr, c_ptr, out_ptr,
    positions, channels, inner, step, k, v_th, v_reset: tl.constexpr, amplitude: tl.constexpr,
    T: tl.constexpr, CHUNK: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr,
    STATIC: tl.constexpr, NORM: tl.constexpr, STEPS: tl.constexpr, RESIDUAL: tl.constexpr, LEARNT: tl.constexpr,
    SHARED: tl.constexpr, DYNAMICS: tl.constexpr, SOFT: tl.constexpr, STRICT: tl.constexpr,
):  # fmt: skip
    """Spikes of T steps; x is one step if STATIC."""
    # find this program's tile and load the numbers of its channels
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    mask, offset = tile_at(tl.program_id(0), channel, positions, channels, inner, BP, CHANNELS_LAST)
    scale = channel_row(scale_ptr, channel, channels, 1.0, NORM)
    shift = channel_row(shift_ptr, channel, channels, 0.0, NORM)
    lane = lanes(channel, BP, CHANNELS_LAST)
    v_th, c = numbers(c_ptr, k, v_th, v_reset, lane, channels, DYNAMICS, LEARNT, SHARED)
    if STATIC:
        x = tl.load(x_ptr + offset, mask=mask, other=0.0).to(tl.float32)
    v = tl.zeros((BP, BC), tl.float32) + v_reset
    m = tl.zeros((BP, BC), tl.float32)
    # walk: only a chunk of the loop is unrolled, so that code and compile time do not grow with T
    for start in range(0, T, CHUNK):
        for j in tl.static_range(CHUNK):
            t = tl.minimum(start + j, T - 1)  # past the end the last step is addressed, and `here` masks it off
            at = tl.cast(step, tl.int64) * t + offset
            here = mask if T % CHUNK == 0 else mask & (tl.full((1, 1), start + j, tl.int32) < T)
            if not STATIC:
                x = tl.load(x_ptr + at, mask=here, other=0.0).to(tl.float32)
            p = factor(steps_ptr, t, STEPS)
            u = current(x, residual_ptr, at, here, scale * p, shift * p, NORM, RESIDUAL)
            h = charge(v, m, gained(u, c_ptr, t, lane, channels, DYNAMICS, SHARED), c, DYNAMICS)
            fired = fires(h, v_th, STRICT)
            v, m = reset(h, m, fired, v_th, c, DYNAMICS, SOFT)
            tl.store(out_ptr + at, tl.where(fired, amplitude, 0.0).to(out_ptr.dtype.element_ty), mask=here)


@triton.jit
def backward_kernel(
    g_ptr, x_ptr, residual_ptr, scale_ptr, shift_ptr, mean_ptr, rstd_ptr, steps_ptr, c_ptr, affine_ptr, state_ptr,
    out_ptr, sums_ptr, c_sums_ptr, p_sums_ptr,
    positions, channels, inner, step, k, v_th, v_reset: tl.constexpr, amplitude: tl.constexpr, p0, p1,
    T: tl.constexpr, CHUNK: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr, CHANNELS_LAST: tl.constexpr,
    STATIC: tl.constexpr, NORM: tl.constexpr, STEPS: tl.constexpr, RESIDUAL: tl.constexpr, LEARNT: tl.constexpr,
    SHARED: tl.constexpr, DYNAMICS: tl.constexpr, SOFT: tl.constexpr, STRICT: tl.constexpr, DETACH: tl.constexpr,
    SURROGATE: tl.constexpr, SUMS: tl.constexpr, SUM_LEARNT: tl.constexpr, WRITE: tl.constexpr, AFFINE: tl.constexpr,
):  # fmt: skip
    """Gradients from g = dL/ds_t. Below, q_t is dL/d(x_t scale + shift): p_t dL/du_t with STEPS, else dL/du_t.

    WRITE       stores q_t to `out`; with RESIDUAL dL/du_t; with AFFINE a q_t + b x_t + d, which is dL/dx_t once the
                sums over the batch are known. A STATIC sequence gets the sum over T.
    SUMS        stores the sums of q and of q (x - mean) rstd to `sums [2, programs, channels]`, and with STEPS those of
                dL/dp_t to `p_sums [all programs, T]`.
    SUM_LEARNT  stores the sums of the learnt numbers' gradients to `c_sums [programs, rows, channels]`.

    If T > CHUNK, sums of single steps are added to p_sums and c_sums in memory, which must hold zeros then. Each
    program adds to a row of its own, so the order of the additions is fixed and the result deterministic.
    """
    programs = tl.num_programs(0)
    program = tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    is_channel = channel < channels
    CHUNKS: tl.constexpr = (T + CHUNK - 1) // CHUNK
    IS_CLIF: tl.constexpr = DYNAMICS == COMPLEMENTARY or DYNAMICS == COMPLEMENTARY_OVERWRITTEN
    STATES: tl.constexpr = 2 if IS_CLIF or DYNAMICS == GATED else 1  # codes.TWO_STATES
    ROWS: tl.constexpr = GATED_NUMBERS + T if DYNAMICS == GATED else 1
    NUMBERS: tl.constexpr = (GATED_NUMBERS if DYNAMICS == GATED else 1) if SUM_LEARNT else 0
    # the sums of each step stay in registers if one chunk has them all; else they are added up in memory
    GAINS: tl.constexpr = T if SUM_LEARNT and DYNAMICS == GATED and CHUNKS == 1 else 0
    FACTORS: tl.constexpr = T if SUMS and STEPS and CHUNKS == 1 else 0
    # A load waits for the stores before it. A program that walks over several tiles would wait at each, so it loads g
    # together with x, before it stores anything. With one tile a program, g is loaded late, which saves registers.
    EARLY: tl.constexpr = WRITE and (SUMS or SUM_LEARNT)
    scale = channel_row(scale_ptr, channel, channels, 1.0, NORM)
    shift = channel_row(shift_ptr, channel, channels, 0.0, NORM)
    mean = channel_row(mean_ptr, channel, channels, 0.0, SUMS)
    rstd = channel_row(rstd_ptr, channel, channels, 0.0, SUMS)
    a = channel_row(affine_ptr, channel, channels, 1.0, AFFINE)
    b = channel_row(affine_ptr + channels, channel, channels, 0.0, AFFINE)
    d = channel_row(affine_ptr + 2 * channels, channel, channels, 0.0, AFFINE)
    lane = lanes(channel, BP, CHANNELS_LAST)
    v_th, c = numbers(c_ptr, k, v_th, v_reset, lane, channels, DYNAMICS, LEARNT, SHARED)
    sum_q, sum_qx = tl.zeros((BP, BC), tl.float32), tl.zeros((BP, BC), tl.float32)
    sum_c, sum_gain, sum_p = zeros(NUMBERS, BP, BC), zeros(GAINS, BP, BC), zeros(FACTORS, BP, BC)
    for tile in range(tl.program_id(0), tl.cdiv(positions, BP), programs):
        mask, offset = tile_at(tile, channel, positions, channels, inner, BP, CHANNELS_LAST)
        x = tl.zeros((BP, BC), tl.float32)
        if STATIC:
            x = tl.load(x_ptr + offset, mask=mask, other=0.0).to(tl.float32)
        v = tl.zeros((BP, BC), tl.float32) + v_reset
        m = tl.zeros((BP, BC), tl.float32)
        # phase 1, long sequences only: walk forward and store the states at the start of every chunk
        if CHUNKS > 1:
            for chunk in range(CHUNKS):
                state_at = tl.cast(step, tl.int64) * (chunk * STATES) + offset
                tl.store(state_ptr + state_at, v, mask=mask)
                if STATES == 2:
                    tl.store(state_ptr + state_at + step, m, mask=mask)
                for j in tl.static_range(CHUNK):
                    t = tl.minimum(chunk * CHUNK + j, T - 1)
                    at = tl.cast(step, tl.int64) * t + offset
                    here = mask & (tl.full((1, 1), chunk * CHUNK + j, tl.int32) < T)
                    if not STATIC:
                        x = tl.load(x_ptr + at, mask=here, other=0.0).to(tl.float32)
                    p = factor(steps_ptr, t, STEPS)
                    u = current(x, residual_ptr, at, here, scale * p, shift * p, NORM, RESIDUAL)
                    h = charge(v, m, gained(u, c_ptr, t, lane, channels, DYNAMICS, SHARED), c, DYNAMICS)
                    v, m = reset(h, m, fires(h, v_th, STRICT), v_th, c, DYNAMICS, SOFT)
        g_v, g_m = tl.zeros((BP, BC), tl.float32), tl.zeros((BP, BC), tl.float32)
        total = tl.zeros((BP, BC), tl.float32)
        # phase 2: the chunks from the last to the first
        for back in range(CHUNKS):
            chunk = CHUNKS - 1 - back
            if CHUNKS > 1:
                state_at = tl.cast(step, tl.int64) * (chunk * STATES) + offset
                v = tl.load(state_ptr + state_at, mask=mask, other=0.0)
                if STATES == 2:
                    m = tl.load(state_ptr + state_at + step, mask=mask, other=0.0)
            # forward through the chunk: what the way back needs stays in registers
            xs, us, vs, ms, hs, gs = (), (), (), (), (), ()
            for j in tl.static_range(CHUNK):
                t = tl.minimum(chunk * CHUNK + j, T - 1)
                at = tl.cast(step, tl.int64) * t + offset
                here = mask if T % CHUNK == 0 else mask & (tl.full((1, 1), chunk * CHUNK + j, tl.int32) < T)
                if not STATIC:
                    x = tl.load(x_ptr + at, mask=here, other=0.0).to(tl.float32)
                if EARLY:
                    gs = gs + (tl.load(g_ptr + at, mask=here, other=0.0),)
                p = factor(steps_ptr, t, STEPS)
                u = current(x, residual_ptr, at, here, scale * p, shift * p, NORM, RESIDUAL)
                h = charge(v, m, gained(u, c_ptr, t, lane, channels, DYNAMICS, SHARED), c, DYNAMICS)
                xs, us, vs, ms, hs = xs + (x,), us + (u,), vs + (v,), ms + (m,), hs + (h,)
                v, m = reset(h, m, fires(h, v_th, STRICT), v_th, c, DYNAMICS, SOFT)
            # back through the chunk: g_v and g_m carry the gradient of the states to the step before. Steps past the
            # end have g = 0 and come first on the way back, so they add nothing.
            for j in tl.static_range(CHUNK - 1, -1, -1):
                t = tl.minimum(chunk * CHUNK + j, T - 1)
                at = tl.cast(step, tl.int64) * t + offset
                here = mask if T % CHUNK == 0 else mask & (tl.full((1, 1), chunk * CHUNK + j, tl.int32) < T)
                g_s = gs[j] if EARLY else tl.load(g_ptr + at, mask=here, other=0.0)
                g_s = g_s.to(tl.float32) * amplitude
                g_h, g_m = through_reset(
                    g_v, g_m, g_s, ms[j], hs[j], v_th, c, p0, p1, DYNAMICS, SOFT, STRICT, DETACH, SURROGATE
                )
                if SUM_LEARNT:
                    g_c = number_gradients(g_h, g_v, vs[j], ms[j], us[j], c, DYNAMICS)
                    for n in tl.static_range(NUMBERS):
                        sum_c = added(sum_c, n, g_c[n], NUMBERS)
                g_u, g_v, g_m = through_charge(g_h, g_m, vs[j], ms[j], c, DYNAMICS)
                if DYNAMICS == GATED:
                    if GAINS > 0:
                        sum_gain = added(sum_gain, j, g_u * us[j], GAINS)
                    elif SUM_LEARNT:
                        # An atomic adds in memory without waiting for the old value. It is no lock: the row is ours.
                        row = (tl.program_id(0) * ROWS + NUMBERS + t) * channels + channel
                        tl.atomic_add(c_sums_ptr + row, tl.sum(g_u * us[j], 0), mask=is_channel, sem="relaxed")
                    g_u *= row_of(c_ptr, GATED_NUMBERS + t, lane, channels, SHARED)
                q = g_u
                if STEPS:
                    g_p = g_u * tl.fma(xs[j], scale, shift)
                    if FACTORS > 0:
                        sum_p = added(sum_p, j, g_p, FACTORS)
                    elif SUMS:
                        # as above
                        tl.atomic_add(p_sums_ptr + program * T + t, tl.sum(tl.sum(g_p, 1), 0), sem="relaxed")
                    q *= factor(steps_ptr, t, STEPS)
                if SUMS:
                    sum_q += q
                    sum_qx = tl.fma(q, xs[j] - mean, sum_qx)  # a sum, no potential: it may round once instead of twice
                if WRITE and STATIC:
                    total += q
                if WRITE and not STATIC:
                    out = tl.fma(a, q, tl.fma(b, xs[j], d)) if AFFINE else (g_u if RESIDUAL else q)
                    tl.store(out_ptr + at, out.to(out_ptr.dtype.element_ty), mask=here)
        if WRITE and STATIC:
            out = a * total + b * x + d if AFFINE else total
            tl.store(out_ptr + offset, out.to(out_ptr.dtype.element_ty), mask=mask)
    # phase 3: the program's sums over its tiles; another kernel adds them up over the programs, in a fixed order
    if SUMS:
        store_sums(sums_ptr, sum_q, sum_qx * rstd, channel, channels)
    for n in tl.static_range(NUMBERS):
        row = (tl.program_id(0) * ROWS + n) * channels + channel
        tl.store(c_sums_ptr + row, tl.sum(sum_c[n], 0), mask=is_channel)
    for n in tl.static_range(GAINS):
        row = (tl.program_id(0) * ROWS + NUMBERS + n) * channels + channel
        tl.store(c_sums_ptr + row, tl.sum(sum_gain[n], 0), mask=is_channel)
    for n in tl.static_range(FACTORS):
        tl.store(p_sums_ptr + program * T + n, tl.sum(tl.sum(sum_p[n], 1), 0))
