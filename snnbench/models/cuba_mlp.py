"""Fully connected networks of current-based neurons, with spiking outputs (SuperSpike) or potentials (spytorch).

Zenke & Ganguli, Neural Computation 2018 (released code: 200-256-200); fzenke/spytorch @f4dcc66, tutorial 2
(784-100-10). No biases. Initial weights are N(0, std^2) with std = weight_scale (1 - beta)/sqrt(fan_in) (spytorch,
weight_scale 7) or, without scale_by_leak, weight_scale/sqrt(fan_in) (released C++: w0 = 0.05 at potentials in volts).
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require
from snnbench.models.layers import Flatten
from snnbench.models.parts import Parts
from snnbench.neurons.cuba_lif import CubaLIF
from snnbench.synapses.base import Synapse
from snnbench.temporal import Temporal, full_precision


class CubaMLP(SpikingModel):
    """`[T, N, C, H, W] -> output spikes [T, N, K]`; the mean over T is a neuron's firing rate.

    Args:
        hidden: The number of neurons of each hidden layer.
        weight_scale: The initial weights have the standard deviation weight_scale / sqrt(number of inputs).
        scale_by_leak: True multiplies this deviation by 1 - beta, the share of the potential that a step loses.

    Raises:
        ConfigError: A hidden layer has no neurons.
    """

    traits = ("spike_output",)
    requires = {  # noqa: RUF012
        "synaptic_current": "its weights and readout take a neuron's two time constants; use neuron=cuba_lif, or "
        "model=filter_mlp",
    }
    made_for = {"*": ("data=digits", "encoder=threshold_latency")}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        hidden: list[int] = (100,),
        weight_scale: Annotated[float, "> 0"] = 7.0,
        scale_by_leak: bool = True,
    ):
        super().__init__()
        self.features, width = hidden_layers(parts, in_shape, hidden)
        self.output = parts.linear_unit(width, num_classes, bias=False)
        normal_weights_(self, self.output.neuron, weight_scale, scale_by_leak)

    def check_length(self, time_steps: int) -> None:
        _require_steps(self, time_steps, CubaLIF.delay * len(self.neurons()))

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.output(self.features(x_seq))


class LeakyCubaMLP(SpikingModel):
    """`[T, N, C, H, W] -> logits [T, N, K]` from outputs that integrate like the neurons but never fire.

    spytorch's class score is the maximum over time of an output's potential, which starts at 0. `readout="max"` gives
    logits[t] = T (M_t - M_{t-1}) with M_t = max(0, U_1, ..., U_t). Their mean over T is that maximum, so
    objective=mean_ce is the published loss, and accuracies use the published score.

    Args:
        hidden: The number of neurons of each hidden layer.
        weight_scale: The initial weights have the standard deviation weight_scale / sqrt(number of inputs).
        scale_by_leak: True multiplies this deviation by 1 - beta, the share of the potential that a step loses.
        readout: The class score, "max" for the maximum over time of an output's potential or "mean" for its mean.

    Raises:
        ConfigError: A hidden layer has no neurons.
    """

    requires = {  # noqa: RUF012
        "synaptic_current": "its weights and readout take a neuron's two time constants; use neuron=cuba_lif, or "
        "model=filter_mlp",
    }
    made_for = {  # noqa: RUF012
        "*": ("data=fashion_mnist", "data.mean=[0.0]", "data.std=[1.0]", "encoder=threshold_latency"),
    }

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        hidden: list[int] = (100,),
        weight_scale: Annotated[float, "> 0"] = 7.0,
        scale_by_leak: bool = True,
        readout: Literal["max", "mean"] = "max",
    ):
        super().__init__()
        self.features, width = hidden_layers(parts, in_shape, hidden)
        self.readout = parts.linear(width, num_classes, bias=False)
        neuron = parts.neuron(num_classes)
        self.potential = LeakyPotential(neuron.alpha, neuron.beta)
        self.score = RunningMaximum(parts.time_steps) if readout == "max" else nn.Identity()
        normal_weights_(self, neuron, weight_scale, scale_by_leak)

    def check_length(self, time_steps: int) -> None:
        _require_steps(self, time_steps, CubaLIF.delay * len(self.neurons()) + 1)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.score(self.potential(self.readout(self.features(x_seq))))


class LeakyPotential(Temporal):
    """U_{t+1} of a current-based neuron that never fires, `[T, N, K] -> [T, N, K]`, at least fp32.

    As in spytorch, this is the potential after the update of the step; a neuron fires by the potential before it.
    """

    def __init__(self, alpha: float, beta: float):
        super().__init__()
        self.alpha, self.beta = alpha, beta

    def initial_state(self, x_t: Tensor) -> tuple[Tensor, Tensor]:
        rest = torch.zeros_like(full_precision(x_t), requires_grad=False)
        return rest, rest

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        current, u = state
        u = torch.add(current, u, alpha=self.beta)
        return u, (torch.add(full_precision(x_t), current, alpha=self.alpha), u)


class RunningMaximum(Temporal):
    """T times the increase of max(0, x_1, ..., x_t) at each step, `[T, N, K]`; its mean over T is the maximum."""

    def __init__(self, time_steps: int):
        super().__init__()
        self.time_steps = time_steps

    def initial_state(self, x_t: Tensor) -> Tensor:
        return torch.zeros_like(x_t, requires_grad=False)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        largest = torch.where(x_t > state, x_t, state)
        return self.time_steps * (largest - state), largest


def _require_steps(model: SpikingModel, time_steps: int, delay: int) -> None:
    """Raise ConfigError if no input reaches the logits within T steps, since the loss then has no gradient."""
    require(
        time_steps > delay,
        f"an input reaches the output of {type(model).__name__} after {delay} steps, but T={time_steps}; set "
        f"T={delay + 1} or more, or take a layer out of model.hidden.",
    )


def hidden_layers(parts: Parts, in_shape: tuple[int, int, int], hidden: list[int]) -> tuple[nn.Sequential, int]:
    """The layers flatten - [linear - neuron] x hidden, and the width of the last one."""
    layers: list[nn.Module] = [Flatten()]
    width = in_shape[0] * in_shape[1] * in_shape[2]
    for size in hidden:
        require(size >= 1, f"model.hidden={list(hidden)} must be positive numbers of neurons, e.g. [100].")
        layers.append(parts.linear_unit(width, size, bias=False))
        width = size
    return nn.Sequential(*layers), width


def normal_weights_(model: nn.Module, neuron: CubaLIF, weight_scale: float, scale_by_leak: bool) -> None:
    """Draw the initial weights of every synapse as the top of this file says."""
    scale = weight_scale * (1 - neuron.beta) if scale_by_leak else weight_scale
    for synapse in (module for module in model.modules() if isinstance(module, Synapse)):
        nn.init.normal_(synapse.weight, 0.0, scale / synapse.weight.shape[1] ** 0.5)
