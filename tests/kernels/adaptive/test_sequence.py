"""ALIF and BlockALIF through the kernels: spikes and gradients of the plain PyTorch path."""

import pytest
import torch
from torch import nn

from snnbench import kernels
from snnbench.kernels.adaptive.form import BLOCK_STEPS
from snnbench.kernels.adaptive.ops import numbers_of
from snnbench.neurons.alif import ALIF
from snnbench.neurons.block_alif import BlockALIF
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from tests.kernels.parity import ADAPTIVE, Case, build, currents, is_fused, operands

OPS = torch.ops.snnbench


@pytest.mark.parametrize("neuron", ADAPTIVE)
def test_potentials_round_as_pytorch_s(neuron, device):
    """Whatever the currents; in halves and eighths many of these bring a potential just to the threshold."""
    case = Case(neuron=neuron, shape=(24, 6, 3, 3))
    layer, x = build(case).to(device)["neuron"], currents(case, 0, 20, device)
    with torch.no_grad():
        layer.beta[:3], layer.p[:3], layer.b[:3] = 0.5, 0.5, 0.5
        x[:, :, :3] = (x[:, :, :3] * 8).round() / 8
        with kernels.use("reference"):
            expected = layer(x)
    with kernels.use("fused"):
        found = layer(x)
    assert is_fused(found)
    assert torch.equal(found, expected)
    layer.strict = not layer.strict
    with kernels.use("reference"):
        assert not torch.equal(layer(x), expected), "no potential stood at the threshold"


def test_numbers_at_their_bounds_get_no_gradient(device):
    """The released b of 1.8 acts as 1: the clamps stay PyTorch's."""
    neuron = BlockALIF(Site(5, 4), ATan(), b=1.8, beta=0.9995).to(device)
    with kernels.use("fused"):
        spikes = neuron(currents(Case(), 0, 4, device))
    assert is_fused(spikes)
    spikes.sum().backward()
    assert not neuron.b.grad.any()
    assert not neuron.beta.grad.any()
    assert neuron.p.grad.all()


class OwnStep(ALIF):
    def step(self, x_t, state):
        return super().step(x_t / 2, state)


class OwnCarry(BlockALIF):
    def _carry(self, *arguments):
        silent, v_init, a = super()._carry(*arguments)
        return silent, v_init, a / 2


class OwnRange(BlockALIF):
    def ranged(self):
        return tuple(numbers.sigmoid() for numbers in (self.beta, self.p, self.b))


def test_what_the_kernels_do_not_know_runs_as_plain_pytorch(device):
    site, x = Site(5, 4), currents(Case(), 0, 4, device)
    unknown = [
        OwnStep(site, ATan()), OwnCarry(site, ATan()), OwnRange(site, ATan()), BlockALIF(site, ATan(), BLOCK_STEPS),
    ]  # fmt: skip
    known = [BlockALIF(site, ATan(), BLOCK_STEPS - 1), ALIF(site, ATan(), 100)]
    with kernels.use("fused"):
        for neuron in nn.ModuleList(unknown).to(device):
            assert not is_fused(neuron(x))
        for neuron in nn.ModuleList(known).to(device):
            assert is_fused(neuron(x))


@pytest.mark.parametrize(
    "case",
    [
        Case(neuron="block_alif_latency1", layout="channels_last", norm="bn", residual=True),
        Case(neuron="block_alif_latency2", time_steps=9, static=True),
        Case(neuron="alif", dtype=torch.bfloat16, norm="bn", layout="flat"),
    ],
    ids=str,
)
def test_operators(case, device):
    (form, *tensors), checks = operands(case, device), ("test_schema", "test_faketensor")
    tensors.append(numbers_of(form.learnt.detach(), form.length))
    numbers = (form.constants, [*form.codes, form.length])
    arguments = (*tensors, case.time_steps, *numbers)
    torch.library.opcheck(OPS.adaptive_forward.default, arguments, test_utils=checks)
    backward = (torch.randn_like(OPS.adaptive_forward(*arguments)), *tensors, case.time_steps, True, *numbers)
    torch.library.opcheck(OPS.adaptive_backward.default, backward, test_utils=checks)
