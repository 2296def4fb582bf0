"""Synapse filters: a trained recursive filter over time acts on each input of a layer before the weights.

Fang, Shrestha, Zhao, Qiu, "Exploiting Neuron and Synapse Filter Dynamics in Spatial Temporal Learning of Deep Spiking
Neural Network" (IJCAI 2020, arXiv:2003.02944); code Snow-Crash/snn-iir @cb1e7fa.

    dual_exp:  F_t = a1 F_{t-1} + a2 F_{t-2} + b1 x_t,   y_t = W F_t + b
               a1 = r_m + r_s, a2 = -r_m r_s, b1 = r_m - r_s at first, r = exp(-1/tau): impulse response r_m^n - r_s^n
    low_pass:  F_t = a1 F_{t-1} + x_t,   a1 = exp(-1/tau_m) at first

All weights that read the same input share its filter. As in the code, nothing keeps the filter stable. An input is one
feature of a linear layer, or one channel of a convolution; the code has coefficients for each pixel, which would need
the image size.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.synapses.base import Conv1d, Conv2d, Linear, Synapse, SynapseFamily
from snnbench.temporal import Temporal, full_precision


def _coefficient(value: float, lines: int, train: bool) -> nn.Parameter:
    return nn.Parameter(torch.full((lines,), value), requires_grad=train)


class SynapseFilter(Temporal):
    """A recursive filter with its own coefficients for each input, `[T, N, C, *] -> [T, N, C, *]`.

    Args:
        lines: The number C of inputs.
        last_axis: True for linear layers, whose inputs lie on the last axis; False for channels.
    """

    names: tuple[str, ...] = ()

    def __init__(self, lines: int, last_axis: bool):
        super().__init__()
        self.lines, self.last_axis = lines, last_axis

    def coefficients(self, x_t: Tensor) -> list[Tensor]:
        """The coefficients, in a shape that can be multiplied with `x_t` `[N, C, *]`."""
        axes = 0 if self.last_axis else x_t.ndim - 2
        return [getattr(self, name).view(-1, *[1] * axes) for name in self.names]

    def learnt(self) -> dict[str, Tensor]:
        """The coefficients, each `[C]`; empty if they are fixed."""
        found = {name: getattr(self, name) for name in self.names}
        return {name: values for name, values in found.items() if values.requires_grad}

    def sequence(self, x_seq: Tensor) -> Tensor:
        coefficients, state, outputs = self.coefficients(x_seq[0]), self.initial_state(x_seq[0]), []
        for x_t in x_seq:
            f_t, state = self.advance(x_t, state, coefficients)
            outputs.append(f_t)
        return torch.stack(outputs).to(x_seq.dtype)

    def step(self, x_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        f_t, state = self.advance(x_t, state, self.coefficients(x_t))
        return f_t.to(x_t.dtype), state

    def advance(self, x_t: Tensor, state: tuple, coefficients: list[Tensor]) -> tuple[Tensor, tuple]:
        """F_t in at least fp32 and the next state."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"lines={self.lines}"


class DualExponential(SynapseFilter):
    """The second-order filter with `a1`, `a2`, `b1`, each `[C]`; the state is (F_{t-1}, F_{t-2}).

    Raises:
        ConfigError: tau_s is not below tau_m, so the impulse response would be zero or negative.
    """

    names = ("a1", "a2", "b1")

    def __init__(self, lines: int, last_axis: bool, tau_m: float, tau_s: float, train: bool):
        super().__init__(lines, last_axis)
        if tau_s >= tau_m:
            raise ConfigError(f"synapse.tau_s={tau_s} must lie below synapse.tau_m={tau_m}; lower it or raise tau_m.")
        slow, fast = math.exp(-1 / tau_m), math.exp(-1 / tau_s)
        self.a1 = _coefficient(slow + fast, lines, train)
        self.a2 = _coefficient(-slow * fast, lines, train)
        self.b1 = _coefficient(slow - fast, lines, train)

    def initial_state(self, x_t: Tensor) -> tuple[Tensor, Tensor]:
        rest = torch.zeros_like(full_precision(x_t), requires_grad=False)
        return rest, rest

    def advance(self, x_t: Tensor, state: tuple[Tensor, Tensor], coefficients: list[Tensor]) -> tuple[Tensor, tuple]:
        (a1, a2, b1), (last, before) = coefficients, state
        f_t = torch.addcmul(torch.addcmul(b1 * full_precision(x_t), a2, before), a1, last)
        return f_t, (f_t, last)


class LowPass(SynapseFilter):
    """The first-order filter with `a1` `[C]`; the state is F_{t-1}."""

    names = ("a1",)

    def __init__(self, lines: int, last_axis: bool, tau: float, train: bool):
        super().__init__(lines, last_axis)
        self.a1 = _coefficient(math.exp(-1 / tau), lines, train)

    def initial_state(self, x_t: Tensor) -> tuple[Tensor]:
        return (torch.zeros_like(full_precision(x_t), requires_grad=False),)

    def advance(self, x_t: Tensor, state: tuple[Tensor], coefficients: list[Tensor]) -> tuple[Tensor, tuple]:
        f_t = torch.addcmul(full_precision(x_t), coefficients[0], state[0])
        return f_t, (f_t,)


class FilteredSynapse(nn.Module):
    """A filter followed by a plain synapse, which reads real-valued F and so is counted in MACs."""

    def __init__(self, filter: SynapseFilter, synapse: Synapse):
        super().__init__()
        self.filter, self.synapse = filter, synapse

    @property
    def weight(self) -> nn.Parameter:
        return self.synapse.weight

    @property
    def bias(self) -> nn.Parameter | None:
        return self.synapse.bias

    def effective_weight(self) -> Tensor:
        """The weight that multiplies the filtered input."""
        return self.synapse.effective_weight()

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.synapse(self.filter(x_seq))


class IIR(SynapseFamily):
    """Convolutions and linear layers whose inputs pass a filter.

    Args:
        order: The kind of filter, "dual_exp" (second order) or "low_pass" (first order).
        tau_m: The slow time constant, in steps; it is the only one of low_pass.
        tau_s: The fast time constant of dual_exp, in steps.
        train: True trains the filter's coefficients, False keeps their initial values.
    """

    traits = ("synapse_filter",)
    rejects = {  # noqa: RUF012
        "online": "the filter carries gradients through time, which online rules cut; use rule=bptt or synapse=plain",
        "spike_time_rule": "the closed-form gradient has no synapse filters; use synapse=plain, or rule=bptt",
    }
    convolutions = {1: Conv1d, 2: Conv2d}  # noqa: RUF012
    linear_class = Linear

    def __init__(
        self,
        order: Literal["dual_exp", "low_pass"] = "dual_exp",
        tau_m: Annotated[float, "> 0"] = 4.0,
        tau_s: Annotated[float, "> 0"] = 1.0,
        train: bool = True,
    ):
        self.order, self.tau_m, self.tau_s, self.train = order, tau_m, tau_s, train

    def filter(self, lines: int, *, last_axis: bool) -> SynapseFilter:
        """A filter for `lines` inputs."""
        if self.order == "low_pass":
            return LowPass(lines, last_axis, self.tau_m, self.train)
        return DualExponential(lines, last_axis, self.tau_m, self.tau_s, self.train)

    def conv(self, dims: int, c_in: int, c_out: int, kernel: int, *, stride: int = 1, padding: int = 0,
             bias: bool = False, groups: int = 1) -> FilteredSynapse:  # fmt: skip
        synapse = super().conv(dims, c_in, c_out, kernel, stride=stride, padding=padding, bias=bias, groups=groups)
        return FilteredSynapse(self.filter(c_in, last_axis=False), synapse)

    def linear(self, c_in: int, c_out: int, *, bias: bool = True) -> FilteredSynapse:
        return FilteredSynapse(self.filter(c_in, last_axis=True), super().linear(c_in, c_out, bias=bias))
