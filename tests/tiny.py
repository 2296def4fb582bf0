"""Small networks and inputs that several tests share."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from snnbench.neurons.lif import LIF
from snnbench.site import Site
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.synapses.plain import Plain
from snnbench.synapses.weight_standardised import WeightStandardised


def site(channels: int = 3, **changes) -> Site:
    return Site(channels, 4, **changes)


def ottt_lif(**changes) -> LIF:
    """The neuron of OTTT: lambda 0.5, soft detached reset, input not decayed."""
    values = {"tau": 2.0, "decay_input": False, "reset": "soft", "detach_reset": True} | changes
    return LIF(site(), Sigmoid(4.0), **values)


def spiking_mlp(*widths: int, seed: int = 0, double: bool = True, **neuron) -> nn.Sequential:
    """linear -> LIF -> ... -> linear over `[T, N, widths[0]]`, weights large enough to spike."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [Plain().linear(n_in, n_out), ottt_lif(**neuron)]
        nn.init.normal_(layers[-2].weight, 0.1, 1.5 / n_in**0.5)
    net = nn.Sequential(*layers[:-1])
    return net.double() if double else net


class ConvNet(nn.Module):
    """Weight-standardised conv -> LIF -> conv -> LIF -> pool over space -> linear: `[T, N, 2, 8, 8] -> [T, N, 3]`."""

    def __init__(self, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        family = WeightStandardised()
        self.conv1 = family.conv(2, 2, 4, 3, padding=1)
        self.neuron1 = ottt_lif(amplitude=2.74)
        self.conv2 = family.conv(2, 4, 6, 3, padding=1, stride=2)
        self.neuron2 = ottt_lif(amplitude=2.74)
        self.readout = family.linear(6, 3)

    def forward(self, x_seq: torch.Tensor) -> torch.Tensor:
        x = self.neuron1(self.conv1(x_seq))
        x = self.neuron2(self.conv2(x))
        return self.readout(x.mean((-2, -1)))


def gradients(net: nn.Module) -> list[torch.Tensor]:
    return [p.grad.clone() for p in net.parameters()]


def flat(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([t.flatten() for t in tensors])
