"""Synapses: torch's own layers over merged time, weight standardisation's numbers (page ottt, check 5)."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from snnbench.errors import ConfigError
from snnbench.synapses.base import channels_last
from snnbench.synapses.plain import Plain
from snnbench.synapses.weight_standardised import WeightStandardised
from tests.tiny import graded, spikingjelly


def test_plain_equals_torch_with_the_same_keys():
    family, x2, x1 = Plain(), torch.randn(3, 2, 4, 7, 7), torch.randn(3, 2, 4, 9)
    pairs = [
        (family.conv(2, 4, 6, 3, stride=2, padding=1, bias=True, groups=2), x2,
         nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)),
        (family.conv(1, 4, 6, 3, padding=1), x1, nn.Conv1d(4, 6, 3, padding=1, bias=False)),
        (family.linear(9, 5), x1[..., 0, :], nn.Linear(9, 5)),
        (family.linear(9, 5, bias=False), x1, nn.Linear(9, 5, bias=False)),
    ]  # fmt: skip
    for synapse, x, torchs in pairs:
        torchs.load_state_dict(synapse.state_dict())
        assert torch.equal(synapse(x), torchs(x.flatten(0, 1)).unflatten(0, (3, 2)))


def test_unknown_dimension_is_refused():
    with pytest.raises(ConfigError, match="3-d"):
        Plain().conv(3, 1, 1, 1)


def test_standardised_row_of_the_page():
    synapse = WeightStandardised().conv(2, 1, 1, 2)
    synapse.weight.data = torch.tensor([1.0, 2, 3, 4]).view(1, 1, 2, 2)
    weight = synapse.effective_weight().flatten()
    assert weight.tolist() == pytest.approx([-0.580943, -0.193648, 0.193648, 0.580943], abs=1e-6)
    assert weight.square().sum().item() == pytest.approx(0.749989, abs=1e-6)


def test_standardised_convolutions_have_gain_and_bias_and_the_readout_is_plain():
    family = WeightStandardised()
    synapse = family.conv(2, 3, 5, 3, bias=False)
    shapes = {name: tuple(p.shape) for name, p in synapse.named_parameters()}
    assert shapes == {"weight": (5, 3, 3, 3), "bias": (5,), "gain": (5, 1, 1, 1)}
    assert synapse.bias.abs().max() == 0
    linear = family.linear(4, 2)
    assert linear.effective_weight() is linear.weight
    with pytest.raises(ConfigError, match="at least 2 weights"):
        family.conv(2, 4, 4, 1, groups=4)


def test_gradient_passes_through_the_standardisation():
    synapse = WeightStandardised().conv(1, 2, 3, 3).double()
    x = torch.randn(2, 2, 2, 6, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda w, g: torch.func.functional_call(synapse, {"weight": w, "gain": g}, (x,)), (synapse.weight, synapse.gain)
    )


def test_static_sequence_is_contracted_once():
    synapse, x = Plain().conv(2, 2, 3, 3), torch.randn(1, 2, 6, 6)
    y = synapse(x.expand(5, *x.shape))
    assert y.shape == (5, 1, 3, 4, 4)
    assert y.stride(0) == 0


@pytest.mark.peer
def test_standardisation_equals_spikingjelly():
    theirs, ours = spikingjelly("layer").WSConv2d(3, 4, 3, padding=1), WeightStandardised().conv(2, 3, 4, 3, padding=1)
    nn.init.uniform_(theirs.gain)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 2, 3, 6, 6)
    torch.testing.assert_close(ours(x)[0], theirs(x[0]))


def test_token_convolution_keeps_channels_last_and_agrees_in_either_layout():
    conv, first = Plain().conv(1, 6, 10, 1, bias=True).double(), torch.randn(3, 2, 6, 9, dtype=torch.double)
    last, g = first.transpose(2, 3).contiguous().transpose(2, 3), torch.randn(3, 2, 10, 9, dtype=torch.double)
    found, expected = (graded(conv, x, g, list(conv.parameters())) for x in (last, first))
    assert conv(last).transpose(2, 3).is_contiguous()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("arguments", [(4, 6, 3), (4, 6, 3, 2, 1), (4, 8, 5, 1, 4, 2, 2)], ids=str)
def test_sequence_convolution_as_a_map_equals_torch_channels_last(arguments):
    """What CUDA runs; input in either layout, gradients too."""
    conv = Plain().convolutions[1](*arguments, bias=False).double()
    for x in (torch.randn(3, 4, 12, dtype=torch.double), torch.randn(3, 12, 4, dtype=torch.double).transpose(1, 2)):
        x.requires_grad_()
        y, expected = conv.contract_map(x, conv.weight, None), F.conv1d(x, conv.weight, None, *arguments[3:])
        torch.testing.assert_close(y, expected)
        assert y.transpose(1, 2).is_contiguous()
        g = torch.randn_like(y)
        found, wanted = (torch.autograd.grad(out, (x, conv.weight), g) for out in (y, expected))
        torch.testing.assert_close(found, wanted)


def test_channels_last_weights_keep_their_values_and_need_no_reordering():
    net = nn.Sequential(Plain().conv(1, 4, 6, 3, padding=1), Plain().conv(2, 4, 6, 3))
    x, before = torch.randn(2, 4, 9), [parameter.clone() for parameter in net.parameters()]
    assert channels_last(net) is net
    for parameter, value in zip(net.parameters(), before, strict=True):
        assert torch.equal(parameter, value)
    assert net[0].weight.unsqueeze(2).is_contiguous(memory_format=torch.channels_last)
    assert net[1].weight.is_contiguous(memory_format=torch.channels_last)
    net[0].contract_map(x, net[0].weight, None).square().sum().backward()
    assert net[0].weight.grad.stride() == net[0].weight.stride()
