"""CLIF and GLIF, and TEBN before any neuron, through the kernels: spikes and gradients of the plain PyTorch path."""

import pytest
import torch

from snnbench import kernels
from snnbench.errors import ConfigError
from tests.kernels.parity import Case, both_paths, build, currents


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
    torch.testing.assert_close(*both_paths(layer, x))
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
