"""OSR's norm and neuron in one step's kernels: spikes, gradients and statistics of the plain path."""

import pytest
import torch
from torch import nn

from snnbench import kernels
from snnbench.kernels.renormalised import ops as module
from snnbench.kernels.renormalised.form import renormalised
from snnbench.neurons.lif_osr import LIFOSR
from snnbench.norms.osr import OSR
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.temporal import stepping

STEPS = 4


class Layer(nn.Module):
    """Norm and neuron, parameters and running statistics away from where they start."""

    def __init__(self, channels=6, neuron=None, **norm):
        super().__init__()
        self.norm = OSR(Site(channels, STEPS), **norm)
        self.neuron = LIFOSR(Site(channels, STEPS), Sigmoid(), amplitude=1.5, **neuron or {})
        with torch.no_grad():
            for tensor, low, high in (
                (self.norm.weight, 0.5, 1.5), (self.norm.bias, -0.5, 0.5),
                (self.norm.running_mean, -1, 1), (self.norm.running_var, 0.5, 2),
            ):  # fmt: skip
                tensor.uniform_(low, high)

    def forward(self, x_seq, residual=None):
        return self.neuron(x_seq, self.norm, residual)


@pytest.fixture
def calls(monkeypatch):
    """How often the kernels ran."""
    found, run = [], module.run
    monkeypatch.setattr(module, "run", lambda *a: found.append(1) or run(*a))
    return found


def currents(shape, device, dtype=torch.float32, layout="contiguous"):
    x = (torch.randn(STEPS, *shape, generator=torch.Generator().manual_seed(0)) * 2 + 0.5).to(device, dtype)
    return x if layout == "contiguous" else x.movedim(2, -1).contiguous().movedim(-1, 2)


def walked(mode, make, x_seq, batches=2):
    """Spikes, gradients and statistics after some training batches; the second one moves the running statistics."""
    torch.manual_seed(0)
    layer, x_seq = make().to(x_seq.device), x_seq.detach().clone().requires_grad_()
    weights = torch.randn(x_seq.shape, generator=torch.Generator().manual_seed(1)).to(x_seq)
    for _ in range(batches):
        with kernels.use(mode), stepping(layer, detach=True) as step:
            spikes = torch.stack([step(x_t) for x_t in x_seq])
        spikes.backward(weights)
    return spikes.detach(), [x_seq.grad, *(p.grad for p in layer.parameters())], list(layer.norm.buffers())


NORMS = {"batch": {}, "falls_back": {"bound": 1.2}, "clips": {"beyond": "clip", "bound": 1.3}}
NEURONS = {"soft": {}, "hard": {"reset": "hard", "strict": True, "tau": 3.0}}
CASES = [
    ("batch", "soft", "contiguous", (8, 6, 5, 4)),
    ("batch", "soft", "channels_last", (9, 6, 7)),
    ("batch", "hard", "contiguous", (40, 6)),
    ("falls_back", "soft", "channels_last", (8, 6, 5, 4)),
    ("falls_back", "hard", "contiguous", (9, 6, 7)),
    ("clips", "soft", "contiguous", (40, 6)),
    ("clips", "hard", "channels_last", (8, 6, 5, 4)),
    ("batch", "soft", "channels_last", (40, 6, 9, 8)),  # sums of several programs
]


@pytest.mark.parametrize(("norm", "neuron", "layout", "shape"), CASES, ids=str)
def test_walk_equals_the_plain_path(norm, neuron, layout, shape, device, calls):
    x_seq = currents(shape, device, layout=layout)
    found, expected = (
        walked(mode, lambda: Layer(neuron=NEURONS[neuron], **NORMS[norm]), x_seq) for mode in ("fused", "reference")
    )
    assert len(calls) == 2 * STEPS
    assert torch.equal(found[0], expected[0])
    assert 0.05 < (expected[0] > 0).float().mean() < 0.95
    torch.testing.assert_close(found[1:], expected[1:], rtol=1e-4, atol=1e-4)


def test_half_currents_and_channels_that_fill_no_tile(device, calls):
    """The plain path rounds the normed current to bf16, the kernels keep it: some spikes differ."""
    x_seq = currents((6, 130, 3, 5), device, torch.bfloat16, "channels_last")
    found, expected = (walked(mode, lambda: Layer(130), x_seq, batches=1) for mode in ("fused", "reference"))
    assert len(calls) == STEPS
    assert found[0].dtype == found[1][0].dtype == torch.bfloat16
    assert (found[0] != expected[0]).float().mean() < 0.02
    torch.testing.assert_close(found[2], expected[2], rtol=1e-3, atol=1e-3)


def test_evaluation_follows_the_running_statistics_and_collects_none(device, calls):
    x_seq, found = currents((8, 6, 5, 4), device), []
    for mode in ("fused", "reference"):
        torch.manual_seed(0)
        layer = Layer().to(device).eval()
        with kernels.use(mode), torch.no_grad():
            found.append(layer(x_seq))
        assert not layer.norm.pending_steps.any()
    assert len(calls) == STEPS
    assert torch.equal(*found)


def test_a_flat_layer_keeps_its_threshold(device):
    """No input: nothing to normalise the threshold by."""
    x_seq = torch.zeros(STEPS, 3, 6, 4, device=device)
    with kernels.use("fused"), torch.no_grad():
        layer = Layer().to(device).eval()
        nn.init.zeros_(layer.norm.weight)
        nn.init.zeros_(layer.norm.bias)
        assert not layer(x_seq).any()


@pytest.mark.parametrize("why", ["graph", "residual", "frozen", "hook", "own"])
def test_what_the_kernels_do_not_know_runs_by_itself(why, device, calls):
    layer, x_seq = Layer(neuron={"frozen_at_test": why == "frozen"}).to(device), currents((4, 6, 3), device)
    if why == "hook":
        layer.norm.register_forward_hook(lambda *_: None)
    if why == "own":
        layer.norm.__class__ = type("Own", (OSR,), {"step": lambda self, x_t, begun: (x_t, True)})
    residual = x_seq if why == "residual" else None
    with kernels.use("fused"), torch.set_grad_enabled(why == "graph"):
        assert layer(x_seq, residual).shape == x_seq.shape
    assert not calls


def test_operators(device):
    layer = Layer().to(device)
    layer.neuron.surrogate = ATan()
    form, x = layer.neuron.step_form(), currents((3, 6, 4), device)[:1]
    v, ratio = torch.randn_like(x), torch.ones((), device=device)
    norm = layer.norm.renorm_form()
    for state in ((None, None), (v, ratio)):
        statistics = (norm.gain.detach(), norm.bias.detach(), norm.running_mean, norm.running_var, *norm.pending)
        arguments = (x, *state, *statistics, True, 1e-4, 20.0, False, form.constants, form.codes)
        checks = ("test_schema", "test_faketensor")
        torch.library.opcheck(torch.ops.snnbench.renorm_forward.default, arguments, test_utils=checks)
        _, _, _, folded, threshold = torch.ops.snnbench.renorm_forward(*arguments)
        arguments = (x, x, state[0], folded, threshold, form.constants, form.codes)
        torch.library.opcheck(torch.ops.snnbench.renorm_backward.default, arguments, test_utils=checks)


def test_reference_is_left_alone(calls):
    with kernels.use("reference"), torch.no_grad():
        assert renormalised(LIFOSR(Site(2, 2), Sigmoid()), OSR(Site(2, 2)), torch.ones(2, 1, 2)) is None
