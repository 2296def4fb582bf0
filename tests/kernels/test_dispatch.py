"""When kernels run and when they must not: what they do not know takes the reference path, said once."""

import logging

import pytest
import torch
from torch import nn

from snnbench import kernels
from snnbench.kernels import compiled, dispatch
from snnbench.kernels.common.form import Refusal
from snnbench.kernels.common.mode import wanted
from snnbench.kernels.membrane import ops
from snnbench.neurons.block_alif import BlockALIF
from snnbench.neurons.clif import CLIF
from snnbench.neurons.glif import GLIF
from snnbench.neurons.integrate_fire import IF
from snnbench.neurons.lif import LIF
from snnbench.neurons.psn import PSN
from snnbench.neurons.srm import SRM
from snnbench.norms.batch_norm import BatchNorm
from snnbench.norms.batch_norm_by_step import BatchNormByStep
from snnbench.norms.osr import OSR
from snnbench.norms.tebn import TEBN
from snnbench.objectives.taps import Taps
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.surrogates.base import Surrogate
from snnbench.temporal import shown, stepping
from tests.kernels.parity import Case, build, currents, is_fused

SITE = Site(5, 4)


class OwnCharge(LIF):
    def charge(self, v, x_t):
        return 0.5 * v + x_t


class OwnStep(LIF):
    def step(self, x_t, state):
        spike, v = super().step(x_t, state)
        return spike, v.clamp(min=-1.0)


class OwnFire(IF):
    def fire(self, u):
        return self.surrogate(u - 2 * self.v_th, strict=self.strict)


class OwnDerivative(ATan):
    def derivative(self, x):
        return torch.exp(-x.square())


class NoForm(Surrogate):
    def derivative(self, x):
        return torch.exp(-x.square())


class OwnComplement(CLIF):
    def step(self, x_t, state):
        return super().step(0.5 * x_t, state)


class OwnGains(GLIF):
    def coefficients(self, axes):
        gain, *others = super().coefficients(axes)
        return 2 * gain, *others


class OwnRenormalised(OSR):
    def step(self, x_t, begun):
        return x_t, True


class OwnName(LIF):
    """Overrides nothing that kernels do."""

    def extra_repr(self):
        return "mine"


UNKNOWN = {
    "charge": lambda: OwnCharge(SITE, ATan()),
    "step": lambda: OwnStep(SITE, ATan()),
    "fire": lambda: OwnFire(SITE, ATan()),
    "complement": lambda: OwnComplement(SITE, ATan()),
    "gains": lambda: OwnGains(SITE, ATan()),
    "derivative": lambda: LIF(SITE, OwnDerivative()),
}


# the method that the reason names, where it is not the name of the case
WORDS = {"complement": "step", "gains": "coefficients"}


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch):
    monkeypatch.setattr(dispatch, "_said", set())
    with compiled.backends():
        yield


@pytest.fixture
def never(monkeypatch):
    def run(*arguments):
        raise AssertionError("a kernel ran")

    monkeypatch.setattr(ops, "run", run)


def x_seq(dtype=torch.float32, device="cpu"):
    return currents(Case(), 0, 4, device).to(dtype).requires_grad_()


def outcome(mode, neuron, x, norm=None):
    x = x.detach().clone().requires_grad_()
    with kernels.use(mode):
        spikes = neuron(x, norm)
    spikes.square().sum().backward()
    return spikes.detach(), x.grad


@pytest.mark.parametrize("name", UNKNOWN)
def test_overridden_parts_run_as_pytorch_and_say_so_once(name, device, never, caplog):
    neuron, x = UNKNOWN[name]().to(device), x_seq(device=device)
    with caplog.at_level(logging.WARNING, "snnbench.kernels"):
        found = outcome("fused", neuron, x), outcome("fused", neuron, x)
    for got, expected in zip(found[0], outcome("reference", neuron, x)):
        assert torch.equal(got, expected)
    (record,) = caplog.records
    owner = neuron.surrogate if name.startswith("derivative") else neuron
    assert type(owner).__name__ in record.message
    assert "plain PyTorch" in record.message
    assert f"{WORDS.get(name, name)}()" in record.message


def test_double_runs_as_pytorch_and_says_so_once(device, never, caplog):
    neuron, x = LIF(SITE, ATan()), x_seq(torch.float64, device)
    with caplog.at_level(logging.WARNING, "snnbench.kernels"):
        assert torch.equal(outcome("fused", neuron, x)[0], outcome("reference", neuron, x)[0])
        outcome("fused", neuron, x)
    (record,) = caplog.records
    assert "torch.float64" in record.message


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (lambda: BlockALIF(SITE, ATan(), latency=20).kernel_form(), "a block of 21 steps is longer than the 16"),
        (lambda: PSN(Site(5, 9), ATan()).kernel_form(), "T=9 makes a matrix larger than the 8 steps"),
        (lambda: SRM(SITE, ATan()).kernel_form(), "nobody has written one"),
        (lambda: LIF(SITE, NoForm()).kernel_form(), "NoForm overrides derivative() without a kernel_form()"),
        (lambda: BatchNormByStep(SITE).kernel_form(), "the statistics of all steps together"),
        (lambda: OwnNormalise(SITE).kernel_form(), "OwnNormalise overrides normalise()"),
        (lambda: OwnRenormalised(SITE).renorm_form(), "OwnRenormalised overrides step()"),
    ],
)
def test_a_refusal_says_why(form, words):
    refused = form()
    assert isinstance(refused, Refusal)
    assert words in refused.why


def test_subclass_that_changes_nothing_is_fused(device, caplog):
    with kernels.use("fused"):
        assert is_fused(OwnName(SITE, ATan())(x_seq(device=device)))
    assert not caplog.records


HOOKS = ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook")


@pytest.mark.parametrize("register", HOOKS)
def test_hooks_of_a_norm_are_called(register, device):
    norm, neuron, seen, x = BatchNorm(SITE).to(device), LIF(SITE, ATan()), [], x_seq(device=device)
    getattr(norm, register)(lambda *_: seen.append("hook"))
    found = outcome("fused", neuron, x, norm)
    assert seen == ["hook"]
    torch.testing.assert_close(found, outcome("reference", neuron, x, norm))


class OwnNormalise(BatchNorm):
    def normalise(self, x):
        return 2 * super().normalise(x)


class OwnSteps(TEBN):
    def normalise(self, x):
        return 2 * super().normalise(x)


class OwnForward(TEBN):
    def forward(self, x_seq):
        return 2 * super().forward(x_seq)


FOREIGN = {"own": OwnNormalise(SITE), "own steps": OwnSteps(SITE), "own forward": OwnForward(SITE)}


@pytest.mark.parametrize("norm", FOREIGN.values(), ids=FOREIGN)
def test_foreign_norm_runs_by_itself_before_the_kernel(norm, device):
    norm, neuron = norm.to(device), LIF(SITE, ATan())
    x = torch.randn(4, 4, 5, 3, 3, generator=torch.Generator().manual_seed(0)).to(device) * 3
    for got, expected in zip(outcome("fused", neuron, x, norm), outcome("reference", neuron, x, norm)):
        torch.testing.assert_close(got, expected)
    with kernels.use("fused"):
        assert is_fused(neuron(x.requires_grad_(), norm))


def test_auto_means_cuda_and_a_mode_ends_with_its_block(never):
    with kernels.use("auto"):
        LIF(SITE, ATan())(x_seq())
    with kernels.use("fused"):
        with kernels.use("reference"):
            assert not wanted(torch.ones(1))
        assert wanted(torch.ones(1))
    assert not wanted(torch.ones(1))


def test_walking_step_by_step_is_never_fused(device, never):
    neuron, x = LIF(SITE, ATan()), x_seq(device=device)
    with kernels.use("fused"), stepping(neuron) as step:
        walk = torch.stack([step(x_t) for x_t in x])
    with kernels.use("reference"):
        assert torch.equal(walk, neuron(x))


@pytest.mark.parametrize("neuron", ["lif", "psn", "alif"])
def test_the_gradient_of_a_shown_step_lies_as_the_step_does(neuron, device):
    """The convolution of a static stem would otherwise have to transpose it."""
    case = Case(neuron=neuron, norm="bn", layout="channels_last")
    layer, x_t = build(case).to(device), currents(case, 0, 1, device)[0].requires_grad_()
    grads = []
    for x_seq in (shown(x_t, case.time_steps), x_t.unsqueeze(0).expand(case.time_steps, *x_t.shape)):
        with kernels.use("fused"):
            spikes = layer["neuron"](x_seq, layer["norm"])
        (grad,) = torch.autograd.grad(spikes, x_t, currents(case, 1, case.time_steps, device))
        grads.append(grad)
    assert torch.equal(*grads)
    assert grads[0].stride() == x_t.stride()


@pytest.mark.parametrize("neuron", [LIF, CLIF])
def test_a_kernel_steps_aside_while_an_objective_sees_the_potential(neuron, device, caplog):
    model, x = nn.ModuleDict({"layer": neuron(SITE, ATan())}).to(device), x_seq(device=device)
    with Taps(model, ["layer"], ("potential",)) as taps, caplog.at_level(logging.WARNING, "snnbench.kernels"):
        watched, seen = outcome("fused", model["layer"], x), taps.values()["potential"]["layer"]
    for got, expected in zip(watched, outcome("reference", model["layer"], x)):
        assert torch.equal(got, expected)
    assert torch.equal((seen >= 1).float(), watched[0])
    (record,) = caplog.records
    assert "because an objective sees its membrane potential" in record.message
    with kernels.use("fused"):
        assert is_fused(model["layer"](x))
        with Taps(model, ["layer"], ("features",)):
            assert is_fused(model["layer"](x))
