"""A small network with a layer that hears its own spikes."""

import torch
from torch import Tensor

from snnbench.models.base import SpikingModel
from snnbench.models.layers import Flatten
from snnbench.models.parts import Parts
from snnbench.temporal import Recurrent


class Echo(Recurrent):
    """Neurons whose current is `x_t + W s_{t-1}`, currents `[T, N, C] -> spikes [T, N, C]`; the state is s."""

    def __init__(self, parts: Parts, width: int):
        super().__init__()
        self.recurrent, self.neuron = parts.linear(width, width, bias=False), parts.neuron(width)

    def initial_state(self, x_t: Tensor) -> Tensor:
        return torch.zeros_like(x_t, requires_grad=False)

    def step(self, x_t: Tensor, spikes: Tensor) -> tuple[Tensor, Tensor]:
        spikes = self.run(self.neuron, x_t + self.run(self.recurrent, spikes))
        return spikes, spikes


class EchoNet(SpikingModel):
    """One convolution, one recurrent layer, a readout."""

    def __init__(self, parts: Parts, in_shape: tuple[int, int, int], num_classes: int):
        super().__init__()
        channels, height, width = in_shape
        self.unit, self.flatten = parts.unit(channels, 4), Flatten()
        self.linear = parts.linear(4 * height * width, 16)
        self.echo = Echo(parts, 16)
        self.readout = parts.readout(16, num_classes)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.echo(self.linear(self.flatten(self.unit(x_seq)))))
