"""Operation counts against numbers computed by hand."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from snnbench.errors import ConfigError
from snnbench.metrics.operations import count_operations, survey_flops_of
from snnbench.models.layers import AvgPool2d, SpikeMatmul, SpikeProduct
from snnbench.synapses.base import Conv1d, Conv2d, Linear

M = 1e6


class Fixed(nn.Module):
    """Stands for a neuron: puts out the given tensor whatever comes in."""

    def __init__(self, spikes):
        super().__init__()
        self.surrogate, self.spikes = object(), spikes

    def forward(self, x):
        return self.spikes


def spikes(*shape, ones):
    flat = torch.zeros(torch.Size(shape).numel())
    flat[:ones] = 1
    return flat.view(shape)


def two_layers(hidden):
    """conv 2->4, kernel 3, padded, on 5x5; spikes; linear 100->3."""
    return nn.Sequential(Conv2d(2, 4, 3, padding=1), Fixed(hidden), nn.Flatten(2), Linear(100, 3))


def test_hand_computed_two_layer_net():
    T, N = 2, 3
    model = two_layers(spikes(T, N, 4, 5, 5, ones=60))  # density 60 / 600 = 0.1
    x = torch.rand(T, N, 2, 5, 5) + 0.1
    found = count_operations(model, [x], {"mac_pj": 4.6, "ac_pj": 0.9})
    conv = 4 * 25 * 2 * 9 * T  # 3600 multiply-accumulates a sample
    linear = 100 * 3 * T  # 600
    assert found["dense_macs"] * M == pytest.approx(conv + linear)
    assert found["macs"] * M == pytest.approx(3600)  # a real-valued image: every one of them
    assert found["acs"] * M == pytest.approx(60)
    assert found["sop"] * M == pytest.approx(60)
    assert found["first_layer_macs"] * M == pytest.approx(1800)  # one step
    assert found["energy_mj"] == pytest.approx((3600 * 4.6 + 60 * 0.9) * 1e-9)
    # The survey's script: (100 * 3 + 3) operations a step, no first layer.
    assert found["sop_survey"] * M == pytest.approx(303 * T * 0.1)
    assert found["samples"] == 3
    layer = found["per_layer"]["3"]
    assert (layer["input"], found["per_layer"]["0"]["input"]) == ("spikes", "real")
    assert layer["density"] == pytest.approx(0.1)


def test_a_static_image_is_multiplied_once():
    model = two_layers(spikes(4, 3, 4, 5, 5, ones=120))
    x = torch.randn(3, 2, 5, 5).unsqueeze(0).expand(4, 3, 2, 5, 5)
    found = count_operations(model, [x])
    assert found["per_layer"]["0"]["dense_macs"] * M == pytest.approx(1800 * 4)
    assert found["macs"] * M == pytest.approx(1800)
    assert found["first_layer_macs"] * M == pytest.approx(1800)
    assert found["acs"] * M == pytest.approx(300 * 4 * 0.1)


SIGNED = torch.tensor([-2.5] + [2.5] * 4 + [0.0] * 15).view(2, 1, 10)
COUNTS = torch.tensor([0.0, 1, 1, 2, 3, 0, 0, 0]).view(1, 1, 8)


@pytest.mark.parametrize(
    ("batches", "outputs", "expected"),
    [
        ([spikes(1, 1, 4, ones=2), spikes(1, 3, 4, ones=4)], 2, ("spikes", 8, 8 * 6 / 16, 0, 8 * 6 / 16)),
        ([SIGNED], 4, ("spikes", 80, 80 * 5 / 20, 0, 20)),
        ([COUNTS], 10, ("counts", 80, 20, 20, 80 * 7 / 8)),  # a 3 carries three spikes
        ([torch.zeros(2, 3, 4)], 2, ("spikes", 16, 0, 0, 0)),
    ],
    ids=["batches are averaged over samples", "amplitude and sign fold into the weights",
         "sums of spikes are acs for ones and macs above", "silence costs nothing"],
)  # fmt: skip
def test_one_linear_layer(batches, outputs, expected):
    layer = count_operations(nn.Sequential(Linear(batches[0].shape[-1], outputs)), batches)["per_layer"]["0"]
    kind, *numbers = expected
    assert layer["input"] == kind
    assert [layer[key] * M for key in ("dense_macs", "acs", "macs", "sop")] == pytest.approx(numbers)


def test_average_pool_is_macs_strictly_and_merged_in_the_sops():
    pooled = torch.zeros(1, 1, 2, 4, 4)
    pooled[0, 0, 0, 0, :3] = 1  # 3 of 32 spikes; pooled values 0.5 and 0.25
    model = nn.Sequential(Conv2d(1, 2, 1), Fixed(pooled), AvgPool2d(2), Conv2d(2, 5, 3, padding=1))
    found = count_operations(model, [torch.randn(1, 1, 1, 4, 4)])
    layer = found["per_layer"]["3"]
    dense = 5 * 4 * 2 * 9
    assert layer["input"] == "real"
    assert layer["macs"] * M == pytest.approx(dense)
    assert layer["acs"] == 0
    assert layer["sop"] * M == pytest.approx(dense * 3 / 32)  # firing rate of the pool's input


class Products(nn.Module):
    """A linear layer, and a product of two tensors beside it."""

    def __init__(self, product, *factors):
        super().__init__()
        self.project, self.product, self.factors = Linear(2, 2), product, factors

    def forward(self, x):
        self.project(x)
        return self.product(*self.factors)


Q, K = spikes(2, 1, 3, 4, ones=6), spikes(2, 1, 4, 5, ones=4)  # densities 6 / 24 and 4 / 40
MASK, KEYS = spikes(2, 1, 1, 4, ones=2), spikes(2, 1, 3, 4, ones=12)  # densities 2 / 8 and 12 / 24


@pytest.mark.parametrize(
    ("product", "factors", "dense", "acs", "macs"),
    [
        (SpikeMatmul, (Q, K), 2 * 3 * 4 * 5, 120 * 0.1, 0),  # the sparser spikes drive
        (SpikeMatmul, (Q, K * torch.arange(5.0)), 120, 120 * 0.25, 0),  # a matrix of counts: q drives
        (SpikeMatmul, (torch.randn(2, 1, 3, 4), torch.randn(2, 1, 4, 5)), 120, 0, 120),
        (SpikeProduct, (MASK, KEYS), 2 * 3 * 4, 24 * 2 / 8, 0),
        (SpikeProduct, (torch.randn(2, 1, 1, 4), torch.randn(2, 1, 3, 4)), 24, 0, 24),
    ],
    ids=["matmul of spikes", "of counts", "of reals", "mask on spikes", "on reals"],
)
def test_products_are_driven_by_their_sparser_spikes(product, factors, dense, acs, macs):
    found = count_operations(Products(product(), *factors), [torch.ones(2, 1, 2)])
    layer = found["per_layer"]["product"]
    assert {key: layer[key] * M for key in ("dense_macs", "acs", "macs")} == pytest.approx(
        {"dense_macs": dense, "acs": acs, "macs": macs}
    )
    assert found["sop_survey"] is None
    assert not macs or layer["sop"] == 0  # signed reals have no firing rate


@pytest.mark.parametrize(
    ("layer", "shape", "flops"),
    [  # what the survey's script printed for its CIFAR-10 net, one sample and one step
        (Conv2d(3, 128, 3, padding=1, bias=False), (3, 32, 32), 114688),
        (Conv2d(128, 128, 3, padding=1, bias=False), (128, 32, 32), 4722688),
        (Conv2d(128, 128, 3, padding=1, bias=False), (128, 16, 16), 2361344),
        (Linear(8192, 2048), (8192,), 16779264),
        (Linear(2048, 10), (2048,), 20490),
        (Conv1d(3, 128, 3, padding=1, bias=False), (3, 32), 1280),  # x 32 steps = .041 M, its sequential table
    ],
)
def test_the_surveys_counter_is_repeated(layer, shape, flops):
    x = torch.zeros(1, 1, *shape)
    with torch.no_grad():
        assert survey_flops_of(layer.weight, x, layer(x)) == flops


def test_the_model_is_left_as_it_was_also_after_an_error():
    model = two_layers(spikes(2, 3, 4, 5, 5, ones=1))
    model[0].eval()  # a frozen part
    for channels, outcome in ((2, nullcontext()), (7, pytest.raises(RuntimeError))):
        with outcome:
            count_operations(model, [torch.randn(2, 3, channels, 5, 5)])
        assert [model.training, model[0].training, model[3].training] == [True, False, True]
        assert not any(module._forward_hooks for module in model.modules())


def test_nothing_to_count_is_said():
    with pytest.raises(ConfigError, match="no operation"):
        count_operations(two_layers(torch.zeros(1)), [])
    with pytest.raises(ConfigError, match="ac_pj"):
        count_operations(two_layers(torch.zeros(1)), [], {"mac_pj": 4.6})
