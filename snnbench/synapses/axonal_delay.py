"""Trained axonal delays: each input of a layer is shifted by whole steps before the weights (SLAYER).

Shrestha & Orchard, NeurIPS 2018 (arXiv:1810.08646); code bamsumit/slayerPytorch @01beeeb, its delay layer:

    y[n] = x[n - floor(d / dt)], 0 before the start;   dE/dx[n] = dE/dy[n + floor(d / dt)], 0 past the end;
    dE/dd = sum_n dE/dy[n] (y[n-1] - y[n]),   summed over all samples and, of a convolution's channel, all pixels

d >= 0 is in ms and starts from U(0, 1), so with dt = 1 all delays start at 0 steps. As in the code, dE/dd is not
divided by dt. The official examples clamp d to 0 after each optimiser step; here d is clamped before each use in
training, which gives the same values.

All weights that read the same input share its delay. An input is one feature of a linear layer, or one channel of a
convolution (the code offers one delay for each channel or for each neuron). SLAYER delays the outputs of neurons; here
the inputs of the first layer are delayed too.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.synapses.base import Conv1d, Conv2d, Linear, Synapse, SynapseFamily
from snnbench.synapses.iir import FilteredSynapse
from snnbench.temporal import Temporal


def shifted(x_seq: Tensor, steps: Tensor) -> Tensor:
    """y[n] = x[n - steps] for x `[T, *]`, and 0 outside of the sequence; `steps` is int64 and broadcasts with `[*]`."""
    source = torch.arange(len(x_seq), device=x_seq.device).view(-1, *[1] * (x_seq.ndim - 1)) - steps
    inside = (source >= 0) & (source < len(x_seq))
    moved = x_seq.gather(0, source.clamp(0, len(x_seq) - 1).expand_as(x_seq))
    return torch.where(inside, moved, 0)


class _Delay(torch.autograd.Function):
    """`shifted` by floor(delay / dt), with the gradient of the delay that the released code uses."""

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
    """Delays each input, `[T, N, C, *] -> [T, N, C, *]`; the state is the earlier inputs that may still be needed.

    Args:
        lines: The number C of inputs.
        last_axis: True for linear layers, whose inputs lie on the last axis; False for channels.
        dt: The length of a time step, in ms.
    """

    def __init__(self, lines: int, last_axis: bool, dt: float):
        super().__init__()
        self.last_axis, self.dt = last_axis, dt
        self.delay = nn.Parameter(torch.rand(lines))
        self.delay.no_weight_decay = True

    def learnt(self) -> dict[str, Tensor]:
        """The delays `[C]` in ms, before rounding to steps."""
        return {"delay": self.delay.clamp(min=0)}

    def delays(self, x_seq: Tensor) -> Tensor:
        """The delays in ms, at least 0, in a shape that broadcasts with one step of `x_seq` `[T, N, C, *]`."""
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
    """Delays (`filter`) followed by a plain synapse, which still reads spikes."""


class AxonalDelay(SynapseFamily):
    """Convolutions and linear layers whose inputs are delayed by trained times.

    Args:
        dt: The length of a time step, in ms.
    """

    traits = ("delays",)
    rejects = {  # noqa: RUF012
        "online": "a delayed synapse needs inputs of many steps, for which online rules have no trace; use rule=bptt",
        "spike_time_rule": "the closed-form gradient has no delays; use synapse=plain, or rule=bptt",
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
