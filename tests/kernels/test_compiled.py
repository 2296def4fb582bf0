"""A neuron's own Python compiled in place of a walk: the spikes and gradients of plain PyTorch, or plain PyTorch.

The CPU traces and differentiates (`aot_eager`); CUDA compiles every neuron of configs/.
"""

import copy
import logging

import pytest
import torch

from snnbench import kernels
from snnbench.bench.step_only import StepOnly
from snnbench.build import instantiate
from snnbench.config.catalogue import options
from snnbench.kernels import compiled, dispatch
from snnbench.kernels.common.form import Refusal
from snnbench.neurons.base import Neuron
from snnbench.neurons.cuba_lif import CubaLIF
from snnbench.norms.batch_norm import BatchNorm
from snnbench.norms.tebn import TEBN
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.temporal import Temporal, shown
from tests.contracts.test_parts import node

SITE = Site(4, 5)
BACKEND = {"cpu": "aot_eager", "cuda": "inductor"}


class Branches(StepOnly):
    """Its step asks a value of a tensor, which no compiler can trace."""

    def step(self, x_t, u):
        return super().step(x_t if x_t.abs().sum().item() > 0 else 2 * x_t, u)


class Counts(StepOnly):
    """Its state is a tensor and a number."""

    def initial_state(self, x_t):
        return super().initial_state(x_t), 1

    def step(self, x_t, state):
        spike, u = super().step(x_t * state[1], state[0])
        return spike, (u, state[1] + 1)


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    torch._dynamo.reset()
    monkeypatch.setattr(dispatch, "_said", set())
    for name, empty in (("_kinds", {}), ("_refused", {})):
        monkeypatch.setattr(compiled, name, empty)


def made(name: str) -> Neuron:
    if name == "step_only":
        return StepOnly(SITE, ATan())
    return instantiate(node("neuron", name), SITE, surrogate=instantiate(node("surrogate", "atan")))


def currents(device, time_steps=5, dtype=torch.float32):
    x = torch.randn(time_steps * 3, 4, 6, 6, generator=torch.Generator().manual_seed(0)) * 2
    x = x.to(device, dtype).contiguous(memory_format=torch.channels_last)
    return x.unflatten(0, (time_steps, 3)).requires_grad_()


def both(neuron, x, device, norm=None, residual=None, static=False):
    """[spikes, gradients, buffers] of plain PyTorch and of the compiled function, the kernel left out."""
    found = []
    for way in ("reference", "compiled"):
        layer = torch.nn.ModuleList([neuron] if norm is None else [neuron, norm])
        layer, x_way = copy.deepcopy(layer).to(device), x.detach().clone().requires_grad_()
        layer[0].kernel_form = lambda: Refusal("the test leaves it out")
        x_seq = shown(x_way[0], len(x)) if static else x_way
        with (
            kernels.use("reference" if way == "reference" else "fused"),
            compiled.backends(**{device: BACKEND[device]}),
        ):
            spikes = layer[0](x_seq, *layer[1:], **({} if residual is None else {"residual": residual}))
        spikes.float().square().sum().backward()
        found.append((spikes, [x_way.grad, *(p.grad for p in layer.parameters())], list(layer.buffers())))
    return found


def assert_same(found, digits=1e-4):
    (expected, gradients, buffers), (spikes, others, other_buffers) = found
    assert spikes.dtype == expected.dtype
    assert torch.equal(spikes, expected)
    assert expected.any()
    torch.testing.assert_close(others, gradients, rtol=digits, atol=digits)
    torch.testing.assert_close(other_buffers, buffers)


def is_compiled(neuron) -> bool:
    return type(neuron) in compiled._kinds and type(neuron) not in compiled._refused


NAMES = ["step_only", *options("neuron")]


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_every_neuron_of_the_configs_on_cuda(name):
    neuron = made(name)
    assert_same(both(neuron, currents("cuda"), "cuda"))
    assert is_compiled(neuron) == (type(neuron).sequence is Temporal.sequence)


@pytest.mark.parametrize("name", ["step_only", "cuba_lif", "alif", "lif_osr", "plif"])
def test_tracing_changes_nothing(name):
    neuron = made(name)
    assert_same(both(neuron, currents("cpu"), "cpu"))
    assert is_compiled(neuron)


@pytest.mark.parametrize(("norm", "static", "residual"), [(BatchNorm, False, True), (TEBN, True, False)])
def test_the_norm_is_taken_in(norm, static, residual, device):
    neuron, beside = made("step_only"), currents(device).detach() / 2 if residual else None
    assert_same(both(neuron, currents(device), device, norm(SITE), beside, static))
    assert is_compiled(neuron)


@pytest.mark.parametrize("name", ["cuba_lif", "alif"])
def test_a_long_sequence_is_compiled_in_chunks(name, device, monkeypatch):
    monkeypatch.setattr(compiled, "CHUNK", 4)
    neuron = made(name)
    assert_same(both(neuron, currents(device, 10), device, BatchNorm(SITE)), 1e-3)
    assert is_compiled(neuron)


def test_half_precision_and_layout_stay(device):
    neuron = made("step_only")
    found = both(neuron, currents(device, dtype=torch.bfloat16), device)
    assert_same(found, 2**-7)
    assert found[1][0][0].is_contiguous(memory_format=torch.channels_last)
    assert found[1][1][0][0].is_contiguous(memory_format=torch.channels_last)


def test_without_gradients(device):
    neuron, x = made("cuba_lif").to(device), currents(device)
    expected = neuron.sequence(x)
    for context in (torch.no_grad, torch.inference_mode):
        with context(), kernels.use("fused"), compiled.backends(**{device: BACKEND[device]}):
            assert torch.equal(neuron(x), expected)
    assert is_compiled(neuron)


@pytest.mark.parametrize(
    ("neuron", "words"), [(Branches, "torch.compile refuses it"), (Counts, "torch.compile refuses it")]
)
def test_what_cannot_be_compiled_runs_as_pytorch_and_says_so_once(neuron, words, monkeypatch, caplog):
    if neuron is Counts:  # whose chunks differ by a number: one compilation each
        monkeypatch.setattr(compiled, "CHUNK", 1)
        monkeypatch.setattr(compiled, "MOST_KINDS", 1)
    neuron, x = neuron(SITE, ATan()), currents("cpu")
    with caplog.at_level(logging.WARNING, "snnbench.kernels"):
        for _ in range(2):
            assert_same(both(neuron, x, "cpu"))
    assert not is_compiled(neuron)
    (record,) = [record for record in caplog.records if words in record.message and "no fused" not in record.message]
    assert type(neuron).__name__ in record.message
    assert "plain PyTorch" in record.message


def test_an_error_of_the_neuron_is_its_own():
    class Wrong(StepOnly):
        def step(self, x_t, u):
            raise ValueError("this neuron is wrong")

    with pytest.raises(ValueError, match="this neuron is wrong"), kernels.use("fused"), compiled.backends(cpu="eager"):
        Wrong(SITE, ATan())(currents("cpu"))
    assert not compiled._refused


def test_there_is_a_most_of_kinds(monkeypatch):
    monkeypatch.setattr(compiled, "MOST_KINDS", 2)
    neuron, kinds = CubaLIF(SITE, ATan()), []
    with compiled.backends(cpu="aot_eager"):
        for time_steps in (1, 2, 3, 1):
            kinds.append(type(compiled.walk_of(neuron, currents("cpu", time_steps))))
    assert kinds == [compiled.CompiledWalk, compiled.CompiledWalk, Refusal, compiled.CompiledWalk]


def test_who_watches_gets_plain_pytorch():
    neuron = made("cuba_lif")
    neuron.watcher = lambda u: None
    with compiled.backends(cpu="aot_eager"):
        assert compiled.walk_of(neuron, currents("cpu")) is None
        assert compiled.walk_of(made("cuba_lif"), currents("cpu").double()) is None
    assert compiled.walk_of(made("cuba_lif"), currents("cpu")) is None
