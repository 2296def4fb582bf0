"""The PSN family through the kernels: spikes and gradients of the plain PyTorch path."""

import pytest
import torch

from snnbench import kernels
from snnbench.errors import ConfigError
from snnbench.neurons.psn import PSN
from tests.kernels.parity import Case, both_paths, build, currents, is_fused


def test_masked_weights_of_an_incomplete_mask(device):
    layer, x = build(Case(neuron="masked_psn")).to(device), currents(Case(neuron="masked_psn"), 0, 4, device)
    layer["neuron"].on_epoch(0.05)
    assert layer["neuron"].lam < 1
    torch.testing.assert_close(*both_paths(layer, x))


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
