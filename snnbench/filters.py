"""Causal linear filters of spike trains: impulse responses, and their use on whole sequences at once.

A filter with response k is y[t] = sum_{s<=t} k[t-s] x[s], a lower triangular Toeplitz matrix over time: one product
for the whole sequence, whose gradient is the adjoint filter (k^T y)[s] = sum_{t>=s} k[t-s] y[t].
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import cache

import torch
from torch import Tensor

from snnbench.errors import ConfigError

LONGEST = 1_000_000  # the largest number of steps of a kernel; no sequence is longer


@cache
def decay_then_follow(time_steps: int, decay: float, rate: float) -> tuple[float, ...]:
    """The response of SuperSpike's double exponential filter (Zenke & Ganguli 2018, their code) to a spike at step 0.

    x[n] = decay x[n-1] + S[n];    y[n] = y[n-1] + rate (x[n] - y[n-1]);    decay = exp(-dt/tau_rise),
    rate = dt/tau_decay.
    """
    x, y, response = 1.0, 0.0, []
    for _ in range(time_steps):
        y += rate * (x - y)
        response.append(y)
        x *= decay
    return tuple(response)


@cache
def synapse_then_membrane(time_steps: int, alpha: float, beta: float) -> tuple[float, ...]:
    """The response of the potential to one input at step 0, through synaptic current and membrane (spytorch).

    I[n+1] = alpha I[n] + x[n];    U[n+1] = beta U[n] + I[n];    the response is 0, 0, 1, alpha + beta, ...
    """
    current, potential, response = 0.0, 0.0, []
    for n in range(time_steps):
        response.append(potential)
        current, potential = alpha * current + (n == 0), beta * potential + current
    return tuple(response)


@cache
def alpha_kernel(tau: float, dt: float, scale: float = 1.0, cut: float = 0.01) -> tuple[float, ...]:
    """SLAYER's k(t) = scale t/tau exp(1 - t/tau) at t = 0, dt, 2 dt, ... ms. Its peak is `scale` at t = tau.

    It ends before the first t > tau at which |k| < cut: an absolute bound, as released (slayerPytorch @01beeeb, which
    also ends it with the sample), so that its length depends on `scale`.

    Raises:
        ConfigError: The kernel has more than LONGEST steps.
    """
    response: list[float] = []
    while True:
        t = len(response) * dt
        value = scale * t / tau * math.exp(1 - t / tau)
        if t > tau and not abs(value) >= cut:  # for a tiny tau this is inf * 0, which is NaN
            return tuple(response)
        if len(response) == LONGEST:
            raise ConfigError(f"a time constant of {tau} ms in steps of dt={dt} ms makes an endless kernel: lower it")
        response.append(value)


def causal_filter(response: tuple[float, ...] | Tensor, x_seq: Tensor) -> Tensor:
    """`x_seq` `[T, *]` filtered along time by `response` of any length, in its own dtype, also under autocast."""
    taps = torch.as_tensor(response, dtype=x_seq.dtype, device=x_seq.device)
    steps = torch.arange(len(x_seq), device=x_seq.device)
    lag = steps.unsqueeze(1) - steps  # [t, s] = t - s
    matrix = taps[lag.clamp(0, len(taps) - 1)] * ((lag >= 0) & (lag < len(taps)))
    # half types lose the digits that a threshold decides by; autocast knows no meta tensors
    with nullcontext() if x_seq.is_meta else torch.autocast(x_seq.device.type, enabled=False):
        return (matrix @ x_seq.flatten(1)).view_as(x_seq)
