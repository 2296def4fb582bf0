"""The adaptive neurons on the device: a block of L steps forward, and its gradient backward.

    alif         L = 1; state (v, a, steps still to wait)
    block_alif   L = latency + 1; state (v_init, a_0, place of the last block's spike, L where it had none)

The numbers are rows `[R, C]`: beta, p, b, and for block_alif p^1 .. p^L, then p^0 / p .. p^(L-1) / p. The reference
treats the first block apart; here it starts from a state of zeros and place L and needs no code of its own.

Rounding: potentials and spikes are the plain PyTorch path's, bit for bit. So PyTorch computes the powers, since powers
multiplied up here would round unlike its `pow`; products and sums keep the reference's order, and the decaying sum is
doubled as there.

The block's gradient is the reference's straight-through one: s[t] hands its gradient to z[t], so with g = dL/ds

    dL/df[k] = sum_{t>=k} (t - k + 1) g[t]     two sums from the block's end, of all steps: also past the spike

times the surrogate's slope into v and theta; through theta = v_th + b a_0 p^t on to b, p and the earlier blocks' a_0.
"""

from __future__ import annotations

import triton
import triton.language as tl

from snnbench.kernels.common.firing import fires, surrogate_derivative
from snnbench.kernels.common.tiles import row_of

LEARNT = tl.constexpr(3)  # beta, p, b
DOUBLINGS = tl.constexpr(4)  # enough for blocks of form.BLOCK_STEPS = 2^4 steps


@triton.jit
def fade(c_ptr, t, lane, channels):
    """p^(t+1), by which the adaptation decays from a block's start to its step t."""
    return row_of(c_ptr, LEARNT + t, lane, channels, False)


@triton.jit
def rest(c_ptr, t, lane, channels, LENGTH: tl.constexpr):
    """p^(L-1-t) / p, by which the adaptation decays from a spike at step t to the start of the next block.

    With A the adaptation at the spike, the next block starts from (A p + 1) times this: the reference's (A + 1/p) p^n
    with n = L-1-t.
    """
    return row_of(c_ptr, LEARNT + 2 * LENGTH - 1 - t, lane, channels, False)


@triton.jit
def silent(m, t: tl.constexpr, LENGTH: tl.constexpr, BLOCK: tl.constexpr):
    """Whether the neuron is still refractory at step t of the block and ignores its input."""
    return (m > t) & (m < LENGTH) if BLOCK else m > 0


@triton.jit
def decaying_sums(us, beta, LENGTH: tl.constexpr):
    """`decaying_sum` of block_alif.py over a tuple."""
    for n in tl.static_range(DOUBLINGS):
        if (1 << n) < LENGTH:
            sums = ()
            for t in tl.static_range(LENGTH):
                sums = sums + (us[t] if t < (1 << n) else us[t] + beta * us[t - (1 << n)],)
            us = sums
            beta = beta * beta
    return us


@triton.jit
def walk(
    us, v, a, m, c, c_ptr, lane, channels, v_th, latency,
    LENGTH: tl.constexpr, BLOCK: tl.constexpr, STRICT: tl.constexpr,
):  # fmt: skip
    """(potentials before the reset, whether each step spikes, the state after the block) of currents (u_0 ..)."""
    beta, p, b = c[0], c[1], c[2]
    heard = ()
    for t in tl.static_range(LENGTH):
        heard = heard + (tl.where(silent(m, t, LENGTH, BLOCK), 0.0, us[t]),)
    if BLOCK:
        first = (heard[0] + beta * v,)
        for t in tl.static_range(1, LENGTH):
            first = first + (heard[t],)
        hs = decaying_sums(first, beta, LENGTH)
        place = tl.zeros_like(us[0]) + LENGTH
        grown = a * fade(c_ptr, LENGTH - 1, lane, channels)
        for t in tl.static_range(LENGTH - 1, -1, -1):  # backwards: the first firing is the last to be written
            adaptation = a * fade(c_ptr, t, lane, channels)
            fired = fires(hs[t] - (v_th + b * adaptation), 0.0, STRICT)
            place = tl.where(fired, t * 1.0, place)
            grown = tl.where(fired, (adaptation * p + 1.0) * rest(c_ptr, t, lane, channels, LENGTH), grown)
        spikes = ()
        for t in tl.static_range(LENGTH):
            spikes = spikes + (place == t,)
        return hs, spikes, tl.where(place < LENGTH, 0.0, hs[LENGTH - 1]), grown, place
    else:
        h = beta * v + heard[0]
        fired = fires(h - (v_th + b * a), 0.0, STRICT)
        a = p * a + tl.where(fired, 1.0, 0.0)
        return (h,), (fired,), tl.where(fired, 0.0, h), a, tl.where(fired, latency, m - 1.0)


@triton.jit
def walk_back(
    gs, g_v, g_a, hs, v, a, m, place, c, c_ptr, lane, channels, v_th, p0, p1,
    LENGTH: tl.constexpr, BLOCK: tl.constexpr, STRICT: tl.constexpr, DETACH: tl.constexpr, SURROGATE: tl.constexpr,
):  # fmt: skip
    """(dL/du_0 .., dL/dv, dL/da, dL/d(beta, p, b)) from dL/ds_0 .., and dL/dv and dL/da of the state after the block.

    v, a and m are the state before it; place (of this block's spike) is the m after it.
    """
    if BLOCK:
        return _block_back(
            gs, g_v, g_a, hs, v, a, m, place, c, c_ptr, lane, channels, v_th, p0, p1, LENGTH, DETACH, SURROGATE
        )
    else:
        beta, p, b = c[0], c[1], c[2]
        above = hs[0] - (v_th + b * a)
        g_s = gs[0] + g_a
        if not DETACH:
            g_s -= hs[0] * g_v
        g_above = g_s * surrogate_derivative(above, p0, p1, SURROGATE)
        g_h = tl.where(fires(above, 0.0, STRICT), 0.0, g_v) + g_above
        g_u = tl.where(silent(m, 0, LENGTH, BLOCK), 0.0, g_h)
        return (g_u,), g_h * beta, g_a * p - g_above * b, (g_h * v, g_a * a, -g_above * a)


@triton.jit
def _block_back(
    gs, g_v, g_a, hs, v, a, m, place, c, c_ptr, lane, channels, v_th, p0, p1,
    LENGTH: tl.constexpr, DETACH: tl.constexpr, SURROGATE: tl.constexpr,
):  # fmt: skip
    """`walk_back` of block_alif. Where it spiked at t*, a_0 <- (a_0 p^t* p + 1) rest(t*); elsewhere a_0 <- a_0 p^L."""
    beta, p, b = c[0], c[1], c[2]
    spiked = place < LENGTH
    per_p = rest(c_ptr, LENGTH - 1, lane, channels, LENGTH)  # p^0 / p
    g_h = tl.where(spiked, 0.0, g_v)  # what reaches h_t from later steps
    g_spike = tl.zeros_like(g_a)
    if not DETACH:  # the adaptation is picked by all of the block's spikes, of which the straight-through one is one
        for t in tl.static_range(LENGTH):
            g_spike = tl.where(place == t, g_a * rest(c_ptr, t, lane, channels, LENGTH) * p, g_spike)
    ramp, slope, g_start = tl.zeros_like(g_a), tl.zeros_like(g_a), tl.zeros_like(g_a)
    g_beta, g_p, g_b = tl.zeros_like(g_a), tl.zeros_like(g_a), tl.zeros_like(g_a)
    g_us = ()
    for t in tl.static_range(LENGTH - 1, -1, -1):
        decay = fade(c_ptr, t, lane, channels)
        adaptation = a * decay
        ramp += gs[t] if DETACH else gs[t] + g_spike * adaptation
        slope += ramp
        g_above = slope * surrogate_derivative(hs[t] - (v_th + b * adaptation), p0, p1, SURROGATE)
        # d/dp of (A p + 1) p^(n-1): A p^(n-1), and (n-1)/p of the whole
        g_kept = tl.where(place == t, g_a * rest(c_ptr, t, lane, channels, LENGTH), 0.0)
        g_p += g_kept * (adaptation + (adaptation * p + 1.0) * ((LENGTH - 2 - t) * per_p))
        g_adaptation = g_kept * p - g_above * b
        if t == LENGTH - 1:
            g_adaptation += tl.where(spiked, 0.0, g_a)
        g_start += g_adaptation * decay
        power = 1.0 if t == 0 else fade(c_ptr, t - 1, lane, channels)
        g_p += g_adaptation * a * ((t + 1) * power)
        g_b -= g_above * adaptation
        g_h += g_above
        g_beta += g_h * (v if t == 0 else hs[t - 1])
        g_us = (tl.where(silent(m, t, LENGTH, True), 0.0, g_h),) + g_us
        g_h *= beta
    return g_us, g_h, g_start, (g_beta, g_p, g_b)
