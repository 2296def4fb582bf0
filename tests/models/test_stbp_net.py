"""STBP's nets: published parameter count, spiking output, votes, dropout, refusals."""

import re

import pytest
import torch
from torch import nn

from snnbench.errors import ConfigError
from snnbench.norms.none import NoNorm

from .building import IF, LIF, build, counts, make_parts, outputs, parameters, spiking_input


class STBP(LIF):
    """The neuron of the released CIFAR-10 net, decay 0.25, threshold 0.75."""

    def __init__(self, site, surrogate):
        super().__init__(site, surrogate, tau=4 / 3, decay_input=False, v_th=0.75, detach_reset=False, strict=True)


def net(name="stbp_net", shape=(1, 8, 8), classes=10, neuron=IF, device="cpu", **changes):
    return build(name, shape, classes, make_parts(neuron, NoNorm), device, **changes)


def test_released_mnist_net():
    """stbp page, check 2."""
    model = net(shape=(1, 28, 28), device="meta")
    assert parameters(model) == 211_690
    assert [s.weight.numel() + s.bias.numel() for s in model.synapses()] == [320, 9_248, 200_832, 1_290]
    assert len(model.neurons()) == 4


def test_other_nets():
    assert parameters(net("stbp_mlp", (1, 28, 28), hidden=[512], device="meta")) == 784 * 512 + 512 + 512 * 10 + 10
    assert parameters(net("stbp_mlp", (2, 34, 34), device="meta")) == 2312 * 800 + 800 + 800 * 10 + 10
    cifar = net("stbp_net_cifar10", (3, 32, 32), device="meta")
    convolutions = 3_584 + 295_168 + 1_180_160 + 4_719_616 + 4_719_104
    assert parameters(cifar) == convolutions + 33_555_456 + 524_800 + 51_300
    assert cifar.output.synapse.out_features == 100


def test_output_spikes_and_pools_give_quarters():
    model = net()
    seen = outputs(model, spiking_input(3, 2, 1, 8, 8), lambda _n, m: type(m).__name__ == "AvgPool2d")
    assert all(counts(y) <= {0.0, 0.25, 0.5, 0.75, 1.0} for y in seen.values())
    spikes = model(spiking_input(3, 2, 1, 8, 8))
    assert spikes.shape == (3, 2, 10)
    assert counts(spikes.detach()) <= {0.0, 1.0}


def test_ten_neighbours_vote_for_a_class():
    model = net("stbp_net_cifar10", layers=["4C3"], hidden=[], classes=3).eval()
    spikes = []
    model.output.register_forward_hook(lambda _m, _x, y: spikes.append(y))
    votes = model(spiking_input(2, 2, 1, 8, 8))
    matrix = torch.zeros(30, 3)  # the released voting matrix
    for i in range(30):
        matrix[i, i // 10] = 0.1
    torch.testing.assert_close(votes, spikes[0] @ matrix)


def test_dropout_lies_before_every_layer_but_the_first_and_the_last_behind_the_pool():
    model = net("stbp_net_cifar10", (3, 32, 32), device="meta")
    kinds = [type(m).__name__ for m in model.features]
    assert kinds == ["Unit", "Dropout", "Unit", "AvgPool2d", "Dropout", "Unit", "AvgPool2d", "Dropout", "Unit",
                     "Dropout", "Unit", "Flatten", "Dropout", "Unit", "Dropout", "Unit"]  # fmt: skip
    assert not any(isinstance(m, nn.Dropout) for m in net().modules())


def test_gain_scales_the_initial_weights():
    plain, scaled = net(), net(gain=2.0)
    assert all(torch.equal(2 * p, q) for p, q in zip(plain.parameters(), scaled.parameters()))


@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_released_cifar10_net_is_silent_without_gain(gain):
    model = net("stbp_net_cifar10", (3, 32, 32), neuron=STBP, gain=gain).eval()
    torch.manual_seed(0)
    image = torch.nn.functional.interpolate(torch.randn(2, 3, 4, 4), 32, mode="bicubic")
    seen = outputs(model, (image / image.std()).expand(2, -1, -1, -1, -1), lambda _n, m: isinstance(m, STBP))
    rates = [spikes.mean().item() for spikes in seen.values()]
    assert all(rates) if gain > 1 else not any(rates[2:])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"layers": ["MP2"]}, "'MP2' cannot be read"),
        ({"layers": ["AP2", "AP8"]}, "nothing is left of the image at AP8"),
        ({"hidden": [0]}, "model.hidden=[0]"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(changes, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        net(device="meta", **changes)
