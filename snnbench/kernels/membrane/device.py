"""Charge, fire and reset of the membrane neurons on the device, each with its gradient.

Forward and backward kernels call the same functions, so a spike that the backward computes again is the spike that the
forward sent. A new dynamics adds its number to `codes` and its equations to `charge`, `reset` and the three functions
below them.

Rounding: products and sums stay apart (`launch.OPTIONS`), except where PyTorch's own CUDA kernel fuses them
(`torch.add(..., alpha=)`, `torch.addcmul`); tl.fma stands for these. So membrane and gated neurons spike as the plain
PyTorch path does, bit for bit. The complementary neuron's sigmoids differ from PyTorch's in the last bit or two: a
potential that rounds to the other side of the threshold fires differently there.

Every neuron has two states, v and m, and the numbers c of its equations:

    membrane        c = (k, v_reset)               m unused
    COMPLEMENTARY   c = (gamma, -)                 v, m of CLIF after the reset
    GATED           c = (keep, clear, sink, drop)  v, m: GLIF's u and o of the step before
"""

from __future__ import annotations

import triton
import triton.language as tl

from snnbench.kernels.common.firing import fires, sigmoid, surrogate_derivative
from snnbench.kernels.common.tiles import row_of
from snnbench.kernels.membrane import codes

# Triton's functions read a global only if it is a constexpr; the numbers themselves are stated in `codes`
INTEGRATE = tl.constexpr(codes.INTEGRATE)
DECAY_INPUT = tl.constexpr(codes.DECAY_INPUT)
DECAY_STATE = tl.constexpr(codes.DECAY_STATE)
DECAY_STATE_LEARNT = tl.constexpr(codes.DECAY_STATE_LEARNT)
COMPLEMENTARY = tl.constexpr(codes.COMPLEMENTARY)
COMPLEMENTARY_OVERWRITTEN = tl.constexpr(codes.COMPLEMENTARY_OVERWRITTEN)
GATED = tl.constexpr(codes.GATED)
GATED_NUMBERS = tl.constexpr(codes.GATED_NUMBERS)


@triton.jit
def numbers(
    c_ptr, k, v_th, v_reset, lane, channels, DYNAMICS: tl.constexpr, LEARNT: tl.constexpr, SHARED: tl.constexpr
):
    """(v_th, c): the threshold and the numbers of the neuron's equations, constants or rows of the learnt ones."""
    if DYNAMICS == GATED:
        keep = row_of(c_ptr, 0, lane, channels, SHARED)
        clear = row_of(c_ptr, 1, lane, channels, SHARED)
        sink = row_of(c_ptr, 2, lane, channels, SHARED)
        drop = row_of(c_ptr, 3, lane, channels, SHARED)
        return row_of(c_ptr, 4, lane, channels, SHARED), (keep, clear, sink, drop)
    else:
        if LEARNT:
            k = row_of(c_ptr, 0, lane, channels, SHARED)
        return v_th, (k, v_reset)


@triton.jit
def charge(v, m, x, c, DYNAMICS: tl.constexpr):
    """h_t from the states before this step and its current; `codes` has the equations."""
    if DYNAMICS == INTEGRATE:
        return v + x
    if DYNAMICS == DECAY_INPUT:
        return v + (x - (v - c[1])) * c[0]
    if DYNAMICS == DECAY_STATE:
        return tl.fma(v - c[1], c[0], x + c[1])  # torch.add(drive, above_rest, alpha=k)
    if DYNAMICS == DECAY_STATE_LEARNT:
        return v - (v - c[1]) * c[0] + x
    if DYNAMICS == GATED:
        return c[0] * v * (1.0 - c[1] * m) - c[2] + x - c[3] * m
    return tl.fma(v, c[0], x)  # both COMPLEMENTARY; torch.add(x, u, alpha=gamma)


@triton.jit
def reset(h, m, fired, v_th, c, DYNAMICS: tl.constexpr, SOFT: tl.constexpr):
    """(v_t, m_t) after the spike, from h_t and m_{t-1}. CLIF's u / tau is h (1 - gamma) here."""
    if DYNAMICS == GATED:
        return h, tl.where(fired, 1.0, 0.0)
    if DYNAMICS == COMPLEMENTARY or DYNAMICS == COMPLEMENTARY_OVERWRITTEN:
        m = tl.fma(m, sigmoid(h * (1.0 - c[0])), tl.where(fired, 1.0, 0.0))  # torch.addcmul
        complement = sigmoid(m)
        v = tl.where(fired, h - (complement + v_th), h)
        return v, complement if DYNAMICS == COMPLEMENTARY_OVERWRITTEN else m
    return tl.where(fired, h - v_th if SOFT else c[1], h), m


@triton.jit
def through_reset(
    g_v, g_m, g_s, m, h, v_th, c, p0, p1,
    DYNAMICS: tl.constexpr, SOFT: tl.constexpr, STRICT: tl.constexpr, DETACH: tl.constexpr, SURROGATE: tl.constexpr,
):  # fmt: skip
    """(dL/dh_t, the part of dL/dm_{t-1} that does not go through h_t) from dL/dv_t, dL/dm_t and dL/ds_t.

    m is m_{t-1}. `kept` is what v_t hands to h_t directly; the rest goes through the spike and the surrogate.
    """
    fired = fires(h, v_th, STRICT)
    kept = g_v
    if DYNAMICS == GATED:
        g_s += g_m  # GLIF's m is its spike
    elif DYNAMICS == COMPLEMENTARY or DYNAMICS == COMPLEMENTARY_OVERWRITTEN:
        decay = sigmoid(h * (1.0 - c[0]))
        complement = sigmoid(tl.fma(m, decay, tl.where(fired, 1.0, 0.0)))
        g_complement = tl.where(fired, -g_v, 0.0)
        if DYNAMICS == COMPLEMENTARY_OVERWRITTEN:
            g_complement += g_m  # the next step saw sigmoid(m) in place of m
            g_m = tl.zeros_like(g_m)
        g_m += g_complement * complement * (1.0 - complement)
        g_s += g_m - g_v * (complement + v_th)
        kept += g_m * m * decay * (1.0 - decay) * (1.0 - c[0])
        g_m *= decay
    else:
        if not DETACH:  # the reset lets a gradient through the spike that resets
            g_s = tl.fma(v_th if SOFT else h - c[1], -g_v, g_s)
        if not SOFT:  # a hard reset forgets h where it fired
            kept = tl.where(fired, 0.0, g_v)
    return tl.fma(g_s, surrogate_derivative(h - v_th, p0, p1, SURROGATE), kept), g_m


@triton.jit
def through_charge(g_h, g_m, v, m, c, DYNAMICS: tl.constexpr):
    """(dL/dx_t, dL/dv_{t-1}, dL/dm_{t-1}) from dL/dh_t and what `through_reset` gave m_{t-1}."""
    if DYNAMICS == INTEGRATE:
        return g_h, g_h, g_m
    if DYNAMICS == DECAY_INPUT:
        return g_h * c[0], g_h - g_h * c[0], g_m
    if DYNAMICS == DECAY_STATE_LEARNT:
        return g_h, g_h - g_h * c[0], g_m
    if DYNAMICS == GATED:
        return g_h, g_h * c[0] * (1.0 - c[1] * m), -g_h * (c[0] * v * c[1] + c[3])
    return g_h, g_h * c[0], g_m


@triton.jit
def number_gradients(g_h, g_v, v, m, x, c, DYNAMICS: tl.constexpr):
    """dL of the learnt numbers of one step, a tuple of `[BP, BC]`: k, or keep, clear, sink, drop and v_th.

    g_v is dL/dv_t. GLIF's v_t is h_t, so the part g_h - g_v of g_h came through the surrogate. v_th gets it negated.
    """
    if DYNAMICS == GATED:
        return g_h * v * (1.0 - c[1] * m), -g_h * c[0] * v * m, -g_h, -g_h * m, g_v - g_h
    else:
        return (g_h * (x - (v - c[1])),) if DYNAMICS == DECAY_INPUT else (-g_h * (v - c[1]),)
