"""The PSN family through the kernels: spikes and gradients of the plain PyTorch path."""

import itertools

import pytest
import torch

from snnbench import kernels
from snnbench.errors import ConfigError
from snnbench.neurons.psn import PSN
from tests.kernels.parity import PARALLEL_DIMENSIONS, Case, build, compare, currents, is_fused, pairwise_cases

CASES = pairwise_cases(PARALLEL_DIMENSIONS)


def test_matrix_has_every_value_with_every_neuron():
    for (name, values), neuron in itertools.product(PARALLEL_DIMENSIONS.items(), PARALLEL_DIMENSIONS["neuron"]):
        seen = {getattr(case, name) for case in CASES if case.neuron == neuron}
        assert name == "neuron" or seen == set(values)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fused_equals_reference(case, device):
    compare(case, device)


BIG = (3, 5, 21, 20)
LARGE = [
    Case(neuron="psn", shape=BIG, norm="bn", residual=True),
    Case(neuron="psn", shape=BIG, norm="bn", layout="channels_last"),
    Case(neuron="sliding_psn", shape=(3, 131, 3, 1), time_steps=8, norm="tdbn", layout="channels_last", static=True),
    Case(neuron="psn", shape=(13, 515), time_steps=3, layout="flat"),
    Case(neuron="sliding_psn", time_steps=1),
    Case(neuron="sliding_psn", time_steps=33, norm="bn", residual=True),
    Case(neuron="sliding_psn", shape=BIG, time_steps=10, norm="bn", layout="channels_last"),
    Case(neuron="sliding_psn_order8", time_steps=18, norm="tdbn", static=True, layout="channels_last"),
    Case(neuron="sliding_psn_order8", shape=(5, 6), time_steps=32, layout="flat", dtype=torch.bfloat16),
    Case(neuron="psn", norm="tebn"),  # whose factor of each step the norm applies itself
]


@pytest.mark.parametrize("case", LARGE, ids=str)
def test_many_tiles_and_many_channels(case, device):
    compare(case, device)


def test_masked_weights_of_an_incomplete_mask(device):
    layer, x = build(Case(neuron="masked_psn")).to(device), currents(Case(neuron="masked_psn"), 0, 4, device)
    layer["neuron"].on_epoch(0.05)
    found = []
    for mode in ("fused", "reference"):
        layer.zero_grad()
        with kernels.use(mode):
            spikes = layer["neuron"](x)
        assert is_fused(spikes) == (mode == "fused")
        spikes.square().sum().backward()
        found.append([spikes.detach(), *(p.grad for p in layer.parameters())])
    assert layer["neuron"].lam < 1
    torch.testing.assert_close(*found)


def test_what_the_kernels_do_not_know_runs_as_plain_pytorch(device):
    class Other(PSN):
        def potentials(self, x_seq):
            return super().potentials(x_seq) / 2

    long = Case(neuron="psn", time_steps=9)
    other = build(Case(neuron="psn"))["neuron"]
    other.__class__ = Other
    with kernels.use("fused"):
        assert not is_fused(build(long).to(device)["neuron"](currents(long, 0, 9, device)))
        assert not is_fused(other.to(device)(currents(Case(), 0, 4, device)))
        assert is_fused(build(Case(neuron="psn")).to(device)["neuron"](currents(Case(), 0, 4, device)))


def test_another_length_is_refused_or_taken_as_by_the_reference(device):
    x = currents(Case(), 0, 3, device)
    with kernels.use("fused"):
        with pytest.raises(ConfigError, match="set T=3"):
            build(Case(neuron="psn")).to(device)["neuron"](x)
        assert build(Case(neuron="sliding_psn")).to(device)["neuron"](x).shape == x.shape
