"""Causal linear filters of spike trains: impulse responses, and their use on whole sequences at once.

A filter with response k is y[t] = sum_{s<=t} k[t-s] x[s], a lower triangular Toeplitz matrix over time: one product
for the whole sequence, whose gradient is the adjoint filter (k^T y)[s] = sum_{t>=s} k[t-s] y[t].
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


@cache
def decay_then_follow(time_steps: int, decay: float, rate: float) -> tuple[float, ...]:
    """SuperSpike's double exponential (Zenke & Ganguli 2018, released code): response to one spike at step 0.

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
    """Current, then potential, each from the other's last value (spytorch): potential after one input at step 0.

    I[n+1] = alpha I[n] + x[n];    U[n+1] = beta U[n] + I[n];    the response is 0, 0, 1, alpha + beta, ...
    """
    current, potential, response = 0.0, 0.0, []
    for n in range(time_steps):
        response.append(potential)
        current, potential = alpha * current + (n == 0), beta * potential + current
    return tuple(response)


def causal_filter(response: tuple[float, ...], x_seq: Tensor) -> Tensor:
    """`x_seq` `[T, *]` filtered along time by `response` of length T, in the dtype of `x_seq`."""
    steps = torch.arange(len(response), device=x_seq.device)
    lag = steps.unsqueeze(1) - steps  # [t, s] = t - s
    matrix = torch.tensor(response, dtype=x_seq.dtype, device=x_seq.device)[lag.clamp(min=0)].tril()
    return (matrix @ x_seq.flatten(1)).view_as(x_seq)
