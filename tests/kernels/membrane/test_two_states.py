"""CLIF and GLIF, and TEBN before any neuron, through the kernels: spikes and gradients of the plain PyTorch path."""

import itertools

import pytest
import torch

from snnbench import kernels
from snnbench.errors import ConfigError
from tests.kernels.parity import TWO_STATES_DIMENSIONS, Case, build, compare, currents, is_fused, pairwise_cases

CASES = pairwise_cases(TWO_STATES_DIMENSIONS)


def test_matrix_has_every_value_with_every_neuron():
    for (name, values), neuron in itertools.product(TWO_STATES_DIMENSIONS.items(), TWO_STATES_DIMENSIONS["neuron"]):
        seen = {getattr(case, name) for case in CASES if case.neuron == neuron}
        assert name == "neuron" or seen == set(values)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fused_equals_reference(case, device):
    compare(case, device)


BIG = (3, 5, 9, 20)  # several tiles a program channels-last, one and a bit contiguous
LARGE = [
    Case(neuron="clif", shape=BIG, time_steps=3, norm="bn", residual=True),
    Case(neuron="clif_overwritten_tau3", shape=BIG, time_steps=9, norm="tebn", layout="channels_last"),
    Case(neuron="glif", shape=BIG, time_steps=3, norm="bn", layout="channels_last", strict=True),
    Case(neuron="glif", shape=BIG, time_steps=9, layout="channels_last", residual=True),
    Case(neuron="glif", shape=BIG, time_steps=2, static=True, norm="tebn"),
    Case(neuron="glif_shared", shape=(13, 515), time_steps=2, layout="flat"),
    Case(neuron="plif", shape=BIG, time_steps=9, norm="tebn", layout="channels_last"),
    Case(neuron="if", shape=BIG, time_steps=2, norm="tebn", residual=True, reset="soft"),
    Case(neuron="lif_tau3", shape=BIG, time_steps=4, norm="tebn_eval", layout="channels_last", static=True),
    Case(neuron="clif", layout="flat", time_steps=64, surrogate="rectangle"),
    Case(neuron="glif", layout="flat", time_steps=64, norm="bn", surrogate="rectangle"),
    Case(neuron="lif", layout="flat", time_steps=17, norm="tebn", residual=True),
]


@pytest.mark.parametrize("case", LARGE, ids=str)
def test_many_tiles_and_long_sequences(case, device):
    compare(case, device)


@pytest.mark.parametrize("neuron", ["glif", "glif_shared"])
def test_gated_potentials_round_as_pytorch_s(neuron, device):
    """No exponential is in GLIF's steps: spikes are equal whatever the currents, these bring some to the threshold."""
    case = Case(neuron=neuron, time_steps=8, shape=(64, 5, 3, 3))
    layer, x = build(case).to(device), currents(case, 0, 8, device)
    with torch.no_grad(), kernels.use("reference"):
        expected = layer["neuron"](x)
    with kernels.use("fused"):
        assert torch.equal(layer["neuron"](x), expected)


def test_a_shorter_sequence_uses_the_first_gains(device):
    case = Case(neuron="glif", time_steps=6, layout="flat")
    layer, x = build(case).to(device), currents(case, 0, 4, device)
    found = []
    for mode in ("fused", "reference"):
        layer.zero_grad()
        with kernels.use(mode):
            spikes = layer["neuron"](x)
        assert is_fused(spikes) == (mode == "fused")
        spikes.square().sum().backward()
        found.append([spikes.detach(), *(p.grad for p in layer.parameters())])
    torch.testing.assert_close(*found)
    assert layer["neuron"].conduct.grad[4:].count_nonzero() == 0


@pytest.mark.parametrize("case", [Case(neuron="glif", time_steps=3), Case(norm="tebn", time_steps=3)], ids=str)
def test_another_length_is_refused_as_by_the_reference(case, device):
    layer, x = build(case).to(device), currents(case, 0, 4, device)
    messages = set()
    for mode in ("fused", "reference"):
        with kernels.use(mode), pytest.raises(ConfigError, match="built for T=3") as error:
            layer["neuron"](x, getattr(layer, "norm", None))
        messages.add(str(error.value))
    assert len(messages) == 1
