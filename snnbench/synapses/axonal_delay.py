"""Learnable axonal delays: every presynaptic line shifted by whole steps before the weights (SLAYER).

Shrestha & Orchard, NeurIPS 2018 (arXiv:1810.08646); code bamsumit/slayerPytorch @01beeeb, its delay layer:

    y[n] = x[n - floor(d / dt)], 0 before the start;   dE/dx[n] = dE/dy[n + floor(d / dt)], 0 past the end;
    dE/dd = sum_n dE/dy[n] (y[n-1] - y[n]),   summed over all samples and, of a convolution's channel, all pixels

with d >= 0 in ms from U(0, 1): at dt 1 every line starts without a delay. The factor dt that makes dE/dd no derivative
by milliseconds is the code's, whichever height spikes have. Official users clamp d at 0 after each optimiser step; here
it is clamped before each use in training, the same values, so nobody can forget it.

A delay belongs to a line, not to a connection. A linear layer's line is an input, a convolution's a channel (the code
offers one a channel or a neuron). SLAYER delays what neurons emit; here the first layer's input lines are delayed too.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.synapses.base import Conv1d, Conv2d, Linear, Synapse, SynapseFamily
from snnbench.synapses.iir import FilteredSynapse
from snnbench.temporal import Temporal


def shifted(x_seq: Tensor, steps: Tensor) -> Tensor:
    """y[n] = x[n - steps] of `[T, *]`, 0 where that lies outside; `steps` int64, any sign, broadcasts with a step."""
    source = torch.arange(len(x_seq), device=x_seq.device).view(-1, *[1] * (x_seq.ndim - 1)) - steps
    inside = (source >= 0) & (source < len(x_seq))
    moved = x_seq.gather(0, source.clamp(0, len(x_seq) - 1).expand_as(x_seq))
    return torch.where(inside, moved, 0)


class _Delay(torch.autograd.Function):
    """`shifted` by floor(delay / dt), with the released gradient of the delay."""

    @staticmethod
    def forward(ctx, x_seq: Tensor, delay: Tensor, dt: float) -> Tensor:
        steps = (delay / dt).floor().long()
        y_seq = shifted(x_seq, steps)
        ctx.save_for_backward(y_seq, steps)
        ctx.delay_dtype = delay.dtype
        return y_seq

    @staticmethod
    def backward(ctx, grad_y: Tensor):
        y_seq, steps = ctx.saved_tensors
        change = torch.cat([-y_seq[:1], y_seq[:-1] - y_seq[1:]])
        grad_delay = (grad_y * change).to(ctx.delay_dtype).sum_to_size(steps.shape)
        return shifted(grad_y, -steps), grad_delay, None


class AxonDelays(Temporal):
    """A delay for each line, `[T, N, C, *] -> [T, N, C, *]`; the state of a walk is the inputs it may still need.

    Args:
        lines: C. last_axis: lines lie on the last axis instead of the channels' (linear layers). dt: ms a step.
    """

    def __init__(self, lines: int, last_axis: bool, dt: float):
        super().__init__()
        self.last_axis, self.dt = last_axis, dt
        self.delay = nn.Parameter(torch.rand(lines))
        self.delay.no_weight_decay = True

    def learnt(self) -> dict[str, Tensor]:
        """Delays in ms, not rounded, `[C]`."""
        return {"delay": self.delay.clamp(min=0)}

    def delays(self, x_seq: Tensor) -> Tensor:
        """The delays in ms, at least 0, shaped to go with a step of `x_seq` `[T, N, C, *]`."""
        if self.training:
            with torch.no_grad():
                self.delay.clamp_(min=0)
            delay = self.delay
        else:
            delay = self.delay.clamp(min=0)
        return delay if self.last_axis else delay.view(-1, *[1] * (x_seq.ndim - 3))

    def sequence(self, x_seq: Tensor) -> Tensor:
        return _Delay.apply(x_seq, self.delays(x_seq), self.dt)

    def initial_state(self, x_t: Tensor) -> Tensor:
        return x_t.new_empty(0, *x_t.shape)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        inputs = torch.cat([state, x_t.unsqueeze(0)])
        delay = self.delays(inputs)
        longest = int(delay.amax() / self.dt)
        return _Delay.apply(inputs, delay, self.dt)[-1], inputs[-longest - 1 :]

    def extra_repr(self) -> str:
        return f"lines={len(self.delay)}, dt={self.dt}"


class DelayedAxons(FilteredSynapse):
    """delays (`filter`) -> synapse; the inner synapse is a plain one, whose input stays spikes."""


class AxonalDelay(SynapseFamily):
    """Convolutions and linear layers behind learnable delays of their input lines.

    Args:
        dt: length of a time step, in ms.
    """

    traits = ("delays",)
    rejects = {  # noqa: RUF012
        "online": "a delayed synapse sees inputs of many steps, for which online rules have no trace; use rule=bptt",
        "spike_time_rule": "the closed form knows no delays; use synapse=plain, or rule=bptt",
    }
    convolutions = {1: Conv1d, 2: Conv2d}  # noqa: RUF012
    linear_class = Linear

    def __init__(self, dt: Annotated[float, "in [1e-6, 1e6]"] = 1.0):
        self.dt = dt

    def conv(self, dims: int, c_in: int, c_out: int, kernel: int, *, stride: int = 1, padding: int = 0,
             bias: bool = False, groups: int = 1) -> DelayedAxons:  # fmt: skip
        synapse: Synapse = super().conv(
            dims, c_in, c_out, kernel, stride=stride, padding=padding, bias=bias, groups=groups
        )
        return DelayedAxons(AxonDelays(c_in, False, self.dt), synapse)

    def linear(self, c_in: int, c_out: int, *, bias: bool = True) -> DelayedAxons:
        return DelayedAxons(AxonDelays(c_in, True, self.dt), super().linear(c_in, c_out, bias=bias))
