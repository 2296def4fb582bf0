"""When a neuron fires, and the surrogate derivatives, on the device.

Forward and backward kernels call the same functions, so a spike that the backward computes again is the spike that the
forward sent. A new surrogate adds its number to `codes` and its derivative here.
"""

from __future__ import annotations

import triton
import triton.language as tl

from snnbench.kernels.common import codes

# Triton's functions read a global only if it is a constexpr; the numbers themselves are stated in `codes`
ATAN = tl.constexpr(codes.ATAN)
SIGMOID = tl.constexpr(codes.SIGMOID)
TRIANGLE = tl.constexpr(codes.TRIANGLE)
RECTANGLE = tl.constexpr(codes.RECTANGLE)
GAUSSIAN = tl.constexpr(codes.GAUSSIAN)
EXP_ABS = tl.constexpr(codes.EXP_ABS)
DSPIKE = tl.constexpr(codes.DSPIKE)


@triton.jit
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def surrogate_derivative(x, p0, p1, KIND: tl.constexpr):
    """ds/dx at x = h - v_th; `codes` says what p0 and p1 are."""
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
    scaled = 1.0 + p1 * tl.abs(x)  # FAST_SIGMOID
    return p0 / (scaled * scaled)


@triton.jit
def fires(h, v_th, STRICT: tl.constexpr):
    """Whether the neuron fires at potential h."""
    return h > v_th if STRICT else h >= v_th
