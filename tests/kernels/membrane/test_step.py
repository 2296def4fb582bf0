"""One step of a walk as a kernel: spikes, states and gradients of the plain path, wherever the state is cut."""

from itertools import product

import pytest
import torch

from snnbench import kernels
from snnbench.kernels.membrane import step as step_module
from snnbench.models.csnn import CSNN
from snnbench.models.parts import Parts
from snnbench.neurons.integrate_fire import IF
from snnbench.neurons.lif import LIF
from snnbench.neurons.lif_osr import LIFOSR
from snnbench.neurons.plif import PLIF
from snnbench.norms.osr import OSR as OSRNorm
from snnbench.rules.base import Batch
from snnbench.rules.ottt import OTTT
from snnbench.rules.sltt import SLTT
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.synapses.plain import Plain
from snnbench.temporal import shown, stepping
from tests.kernels.parity import SURROGATES

STEPS, SITE = 4, Site(6, 4)
NEURONS = {
    "if": lambda surrogate, **more: IF(SITE, surrogate, **more),
    "lif": lambda surrogate, **more: LIF(SITE, surrogate, v_reset=0.125, **more),
    "lif_tet": lambda surrogate, **more: LIF(SITE, surrogate, decay_input=False, **more),
}


@pytest.fixture
def calls(monkeypatch):
    """How often the kernel ran."""
    found, run = [], step_module.run
    monkeypatch.setattr(step_module, "run", lambda *a: found.append(1) or run(*a))
    return found


def currents(device, dtype=torch.float32, layout=torch.contiguous_format, seed=0):
    """Eighths `[T, N, C, H, W]`, which no sum rounds."""
    x = torch.randn(STEPS * 3, 6, 5, 4, generator=torch.Generator().manual_seed(seed)) * 2 + 0.5
    x = ((x * 8).round() / 8).to(device, dtype).contiguous(memory_format=layout)
    return x.unflatten(0, (STEPS, 3))


def walk(mode, neuron, x_seq):
    """Spikes and the input's gradient of a walk that weighs every spike."""
    x_seq = x_seq.detach().clone().requires_grad_()
    weights = torch.randn(x_seq.shape, generator=torch.Generator().manual_seed(1)).to(x_seq)
    with kernels.use(mode), stepping(neuron, detach=True) as step:
        spikes = torch.stack([step(x_t) for x_t in x_seq])
    spikes.backward(weights)
    return spikes.detach(), x_seq.grad


@pytest.mark.parametrize(
    ("name", "surrogate", "reset", "strict"),
    list(product(NEURONS, SURROGATES, ("hard", "soft"), (False, True))),
    ids=str,
)
def test_step_equals_reference(name, surrogate, reset, strict, device, calls):
    neuron = NEURONS[name](SURROGATES[surrogate](), reset=reset, strict=strict)
    x_seq = currents(device)
    (fused, grad), (spikes, expected) = walk("fused", neuron, x_seq), walk("reference", neuron, x_seq)
    assert len(calls) == STEPS
    assert torch.equal(fused, spikes)
    assert 0 < spikes.count_nonzero() < spikes.numel()
    torch.testing.assert_close(grad, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("make", [NEURONS["lif"], lambda surrogate: LIFOSR(SITE, surrogate, amplitude=1.5)])
def test_types_layouts_and_a_threshold_that_moves(make, dtype, layout, device, calls):
    neuron, x_seq = make(Sigmoid()), currents(device, dtype, layout)
    (fused, grad), (spikes, expected) = walk("fused", neuron, x_seq), walk("reference", neuron, x_seq)
    assert len(calls) == STEPS
    assert fused.dtype == grad.dtype == dtype
    assert torch.equal(fused, spikes)
    digits = {torch.bfloat16: 2**-7, torch.float16: 2**-10}.get(dtype, 1e-5)
    torch.testing.assert_close(grad, expected, rtol=digits, atol=digits)


class OwnStep(LIF):
    def step(self, x_t, state):
        spike, v = super().step(x_t, state)
        return spike, v.clamp(min=-1.0)


@pytest.mark.parametrize("neuron", [PLIF(SITE, ATan()), OwnStep(SITE, ATan())], ids=lambda n: type(n).__name__)
def test_what_the_kernel_does_not_know_walks_as_before(neuron, device, calls):
    neuron = neuron.to(device)
    fused, reference = (walk(mode, neuron, currents(device)) for mode in ("fused", "reference"))
    assert not calls
    assert all(torch.equal(a, b) for a, b in zip(fused, reference))


def test_a_walk_that_keeps_its_graph_is_plain(device, calls):
    """Back-propagation through the states needs more than the kernel gives."""
    neuron, x_seq = LIF(SITE, ATan()), currents(device).requires_grad_()
    with kernels.use("fused"), stepping(neuron) as step:
        last = [step(x_t) for x_t in x_seq][-1]
    assert not calls
    assert torch.autograd.grad(last.sum(), x_seq)[0][0].any()


RULES = {
    "ottt": (OTTT, lambda site, **changes: LIF(site, Sigmoid(), decay_input=False, reset="soft"), lambda site: None),
    "osr": (SLTT, lambda site, **changes: LIFOSR(site, Sigmoid()), OSRNorm),
}


@pytest.mark.parametrize("name", RULES)
def test_online_rules_get_the_gradients_of_the_plain_path(name, device, calls):
    make_rule, neuron, norm = RULES[name]
    found = []
    for mode in ("fused", "reference"):
        torch.manual_seed(0)
        parts = Parts(neuron, norm if name == "osr" else lambda site: torch.nn.Identity(), Plain(), STEPS)
        model = CSNN(parts, (3, 8, 8), 5, width=4, hidden=8).to(device)
        rule = make_rule()
        getattr(rule, "prepare", lambda model: None)(model)
        x = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(2)).to(device)
        with kernels.use(mode):
            batch = Batch(shown(x, STEPS), None, lambda logits: (logits.square().mean(), {}))
            logits, _, _ = rule.train_batch(model, batch)
        found.append([logits, *(p.grad for p in model.parameters())])
    assert calls
    for fused, reference in zip(*found):
        torch.testing.assert_close(fused, reference, rtol=1e-4, atol=1e-5)
