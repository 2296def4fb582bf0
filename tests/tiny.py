"""Small networks, inputs and comparisons that several tests share."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from snnbench.neurons.lif import LIF
from snnbench.site import Site
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.synapses.plain import Plain
from snnbench.synapses.weight_standardised import WeightStandardised
from snnbench.temporal import stepping


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

    def forward(self, x_seq: Tensor) -> Tensor:
        x = self.neuron1(self.conv1(x_seq))
        x = self.neuron2(self.conv2(x))
        return self.readout(x.mean((-2, -1)))


def gradients(net: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in net.parameters()]


def flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([t.flatten() for t in tensors])


def column(*values: float) -> Tensor:
    """A sequence for one neuron: `[T, 1, 1]` in double."""
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)


def compared(neuron: nn.Module, x_seq: Tensor) -> list[float]:
    """The potential that one neuron compares with its threshold at each step."""
    seen, fire = [], neuron.fire
    neuron.fire = lambda u: seen.append(u.item()) or fire(u)
    try:
        neuron(x_seq)
    finally:
        del neuron.fire
    return seen


def walked(module: nn.Module, x_seq: Tensor, detach: bool = False) -> Tensor:
    """What the module gives when a rule walks it step by step."""
    with stepping(module, detach=detach) as step:
        return torch.stack([step(x_t) for x_t in x_seq])


def graded(function, x: Tensor, weights: Tensor | float = 1.0, parameters=()) -> tuple[Tensor, list[Tensor]]:
    """`function(x)`, and the gradients of its weighted sum in x and in the parameters."""
    x = x.detach().clone().requires_grad_()
    y = function(x)
    return y.detach(), list(torch.autograd.grad((y * weights).sum(), [x, *parameters]))


def spikingjelly(module: str):
    """A module of SpikingJelly; the test is skipped where it is not installed."""
    return pytest.importorskip(f"spikingjelly.activation_based.{module}")


def assert_same_neuron(ours: nn.Module, theirs: nn.Module, x_seq: Tensor, pairs=None, rtol=1e-10, atol=1e-12) -> None:
    """Equal spikes, and close gradients in the input and in each pair (ours, theirs) of parameters."""
    pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True) if pairs is None else pairs)
    weights = torch.randn_like(x_seq)
    spikes, gradients = graded(ours, x_seq, weights, [mine for mine, _ in pairs])
    expected, wanted = graded(theirs, x_seq, weights, [other for _, other in pairs])
    assert 0.05 < spikes.mean() < 0.95
    assert torch.equal(spikes, expected)
    for a, b in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(a, b.view_as(a), rtol=rtol, atol=atol)


def most_saved(train) -> int:
    """Most bytes that autograd holds at one time while `train(backward)` runs, `backward` being the one to call."""
    live, most = [], [0]

    def pack(tensor):
        live.append(tensor.numel() * tensor.element_size())
        most[0] = max(most[0], sum(live))
        return tensor

    def backward(loss):
        loss.backward()
        live.clear()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        train(backward)
    return most[0]
