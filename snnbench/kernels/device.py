"""What the kernels share on the device: surrogate derivatives, charge, fire and reset of the membrane neurons.

Written once for the forward and the backward kernels, so that a spike recomputed in the backward is the spike that was
sent in the forward. Products and sums are not contracted (`enable_fp_fusion=False`) except where PyTorch's own CUDA
kernel fuses them (`torch.add(..., alpha=)`), so spikes equal those of the plain PyTorch path bit for bit.
"""

from __future__ import annotations

import triton
import triton.language as tl

# Codes, not names, reach a kernel: a surrogate or neuron states its own (`Surrogate.kernel_form`, `kernel_charge`).
ATAN, SIGMOID, TRIANGLE, RECTANGLE, FAST_SIGMOID = (tl.constexpr(code) for code in range(5))
INTEGRATE, DECAY_INPUT, DECAY_STATE, DECAY_STATE_LEARNT = (tl.constexpr(code) for code in range(4))


@triton.jit
def surrogate_derivative(x, p0, p1, KIND: tl.constexpr):
    """ds/dx at x = h - v_th; p0 and p1 mean what `Surrogate.kernel_form` of that kind says."""
    if KIND == ATAN:
        scaled = p1 * x
        return p0 / (1.0 + scaled * scaled)
    if KIND == SIGMOID:
        s = 1.0 / (1.0 + tl.exp(-p0 * x))
        return p0 * s * (1.0 - s)
    if KIND == TRIANGLE:
        return tl.maximum(p0 - tl.abs(x), 0.0) * p1
    if KIND == RECTANGLE:
        return tl.where(tl.abs(x) < p0, p1, 0.0)
    scaled = 1.0 + p1 * tl.abs(x)
    return p0 / (scaled * scaled)


@triton.jit
def charge(v, x, k, v_reset, CHARGE: tl.constexpr):
    """h_t from v_{t-1} and the current; k is 1/tau (DECAY_INPUT, DECAY_STATE_LEARNT) or 1 - 1/tau (DECAY_STATE)."""
    if CHARGE == INTEGRATE:
        return v + x
    if CHARGE == DECAY_INPUT:
        return v + (x - (v - v_reset)) * k
    if CHARGE == DECAY_STATE:
        return tl.fma(v - v_reset, k, x + v_reset)
    return v - (v - v_reset) * k + x


@triton.jit
def fires(h, v_th, STRICT: tl.constexpr):
    """Whether the neuron fires at potential h."""
    return h > v_th if STRICT else h >= v_th


@triton.jit
def reset(h, fired, v_th, v_reset, SOFT: tl.constexpr):
    """v_t from h_t."""
    return tl.where(fired, h - v_th, h) if SOFT else tl.where(fired, v_reset, h)


@triton.jit
def through_reset(
    g_v, g_s, h, fired, v_th, v_reset, p0, p1, SOFT: tl.constexpr, DETACH: tl.constexpr, SURROGATE: tl.constexpr
):
    """dL/dh_t from dL/dv_t (after the reset) and dL/ds_t."""
    if not DETACH:
        g_s += -v_th * g_v if SOFT else (v_reset - h) * g_v
    kept = g_v if SOFT else tl.where(fired, 0.0, g_v)
    return kept + g_s * surrogate_derivative(h - v_th, p0, p1, SURROGATE)


@triton.jit
def through_charge(g_h, k, CHARGE: tl.constexpr):
    """(dL/dx_t, dL/dv_{t-1}) from dL/dh_t."""
    if CHARGE == INTEGRATE:
        return g_h, g_h
    if CHARGE == DECAY_INPUT:
        return g_h * k, g_h - g_h * k
    if CHARGE == DECAY_STATE:
        return g_h, g_h * k
    return g_h, g_h - g_h * k


@triton.jit
def leak_gradient(g_h, v, x, v_reset, CHARGE: tl.constexpr):
    """dL/dk of one step, for a learnt k = 1/tau; v is v_{t-1}."""
    if CHARGE == DECAY_INPUT:
        return g_h * (x - (v - v_reset))
    return -g_h * (v - v_reset)
