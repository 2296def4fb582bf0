"""What the kernels share on the device: surrogate derivatives, and charge, fire and reset of the neurons with adjoints.

Written once for the forward and the backward kernels, so that a spike recomputed in the backward is the spike that was
sent in the forward. Products and sums are not contracted (`enable_fp_fusion=False`) except where PyTorch's own CUDA
kernel fuses them (`torch.add(..., alpha=)`, `torch.addcmul`), so membrane and gated neurons spike as the plain PyTorch
path does, bit for bit. The complementary neuron's sigmoids are an ulp or two off PyTorch's: a potential that rounds to
the other side of the threshold fires differently there.

Every neuron has two states, v and m, and the numbers c of its equations:

    membrane        c = (k, v_reset)               m unused
    COMPLEMENTARY   c = (gamma, -)                 v, m of CLIF after the reset
    GATED           c = (keep, clear, sink, drop)  v, m: GLIF's u and o of the step before
"""

from __future__ import annotations

import triton
import triton.language as tl

# Codes, not names, reach a kernel: a surrogate or neuron states its own (`Surrogate.kernel_form`, `kernel_charge`).
ATAN, SIGMOID, TRIANGLE, RECTANGLE, FAST_SIGMOID, GAUSSIAN, EXP_ABS, DSPIKE = (tl.constexpr(code) for code in range(8))
INTEGRATE, DECAY_INPUT, DECAY_STATE, DECAY_STATE_LEARNT = (tl.constexpr(code) for code in range(4))
COMPLEMENTARY, COMPLEMENTARY_OVERWRITTEN, GATED = (tl.constexpr(code) for code in range(4, 7))
GATED_NUMBERS = tl.constexpr(5)  # GLIF's learnt numbers; behind them are its input gains


@triton.jit
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def surrogate_derivative(x, p0, p1, KIND: tl.constexpr):
    """ds/dx at x = h - v_th; p0 and p1 mean what `Surrogate.kernel_form` of that kind says."""
    if KIND == ATAN:
        scaled = p1 * x
        return p0 / tl.fma(scaled, scaled, 1.0)
    if KIND == SIGMOID:
        s = sigmoid(p0 * x)
        return p0 * s * (1.0 - s)
    if KIND == TRIANGLE:
        return tl.maximum(p0 - tl.abs(x), 0.0) * p1
    if KIND == RECTANGLE:
        return tl.where(tl.abs(x) < p0, p1, 0.0)
    if KIND == GAUSSIAN:
        return p0 * tl.exp(-p1 * (x * x))
    if KIND == EXP_ABS:
        return p0 * tl.exp(-p1 * tl.abs(x))
    if KIND == DSPIKE:  # 1 - tanh^2(z) = 4 s (1 - s) and tanh(z) = 2 s - 1 with s = sigmoid(2 z)
        s = sigmoid(2.0 * p0 * x)
        peak = p0 / (2.0 * (2.0 * sigmoid(2.0 * p0 * p1) - 1.0))
        return tl.where(tl.abs(x) <= p1, peak * (4.0 * s * (1.0 - s)), 0.0)
    scaled = 1.0 + p1 * tl.abs(x)
    return p0 / (scaled * scaled)


@triton.jit
def row_of(c_ptr, row, lane, channels, SHARED: tl.constexpr):
    """A row of learnt numbers `[R, C]` for the channels `lane`, shaped as these; of `[R, 1]` (SHARED) its number."""
    if SHARED:
        return tl.load(c_ptr + row)
    else:  # Triton compiles what follows a return; an else it leaves out
        return tl.load(c_ptr + row * channels + lane, mask=lane < channels, other=0.0)


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
    """h_t from the states and the current; k is 1/tau (DECAY_INPUT, DECAY_STATE_LEARNT) or 1 - 1/tau (DECAY_STATE)."""
    if DYNAMICS == INTEGRATE:
        return v + x
    if DYNAMICS == DECAY_INPUT:
        return v + (x - (v - c[1])) * c[0]
    if DYNAMICS == DECAY_STATE:
        return tl.fma(v - c[1], c[0], x + c[1])
    if DYNAMICS == DECAY_STATE_LEARNT:
        return v - (v - c[1]) * c[0] + x
    if DYNAMICS == GATED:
        return c[0] * v * (1.0 - c[1] * m) - c[2] + x - c[3] * m
    return tl.fma(v, c[0], x)


@triton.jit
def fires(h, v_th, STRICT: tl.constexpr):
    """Whether the neuron fires at potential h."""
    return h > v_th if STRICT else h >= v_th


@triton.jit
def reset(h, m, fired, v_th, c, DYNAMICS: tl.constexpr, SOFT: tl.constexpr):
    """(v_t, m_t) from h_t and m_{t-1}; u / tau of CLIF is h (1 - gamma)."""
    if DYNAMICS == GATED:
        return h, tl.where(fired, 1.0, 0.0)
    if DYNAMICS >= COMPLEMENTARY:
        m = tl.fma(m, sigmoid(h * (1.0 - c[0])), tl.where(fired, 1.0, 0.0))
        complement = sigmoid(m)
        v = tl.where(fired, h - (complement + v_th), h)
        return v, complement if DYNAMICS == COMPLEMENTARY_OVERWRITTEN else m
    return tl.where(fired, h - v_th if SOFT else c[1], h), m


@triton.jit
def through_reset(
    g_v, g_m, g_s, m, h, v_th, c, p0, p1,
    DYNAMICS: tl.constexpr, SOFT: tl.constexpr, STRICT: tl.constexpr, DETACH: tl.constexpr, SURROGATE: tl.constexpr,
):  # fmt: skip
    """(dL/dh_t, dL/dm_{t-1} past h_t) from dL/dv_t, dL/dm_t and dL/ds_t; m is m_{t-1}."""
    fired = fires(h, v_th, STRICT)
    kept = g_v
    if DYNAMICS == GATED:
        g_s += g_m
    elif DYNAMICS >= COMPLEMENTARY:
        decay = sigmoid(h * (1.0 - c[0]))
        complement = sigmoid(tl.fma(m, decay, tl.where(fired, 1.0, 0.0)))
        g_complement = tl.where(fired, -g_v, 0.0)
        if DYNAMICS == COMPLEMENTARY_OVERWRITTEN:
            g_complement += g_m
            g_m = tl.zeros_like(g_m)
        g_m += g_complement * complement * (1.0 - complement)
        g_s += g_m - g_v * (complement + v_th)
        kept += g_m * m * decay * (1.0 - decay) * (1.0 - c[0])
        g_m *= decay
    else:
        if not DETACH:
            g_s = tl.fma(v_th if SOFT else h - c[1], -g_v, g_s)
        if not SOFT:
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

    g_v is dL/dv_t; in GLIF h_t reaches it by itself, so that g_h - g_v is what went through the surrogate.
    """
    if DYNAMICS == GATED:
        return g_h * v * (1.0 - c[1] * m), -g_h * c[0] * v * m, -g_h, -g_h * m, g_v - g_h
    else:
        return (g_h * (x - (v - c[1])),) if DYNAMICS == DECAY_INPUT else (-g_h * (v - c[1]),)
