"""Neurons against numbers worked out by hand or by another program (catalogue pages stbp, plif), and their contract."""

import math

import pytest
import torch

from snnbench.errors import ConfigError
from snnbench.neurons.integrate_fire import IF
from snnbench.neurons.lif import LIF
from snnbench.neurons.plif import PLIF
from snnbench.surrogates.atan import ATan
from snnbench.surrogates.rectangle import Rectangle
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.temporal import stepping
from tests.tiny import site

F64 = torch.float64


def column(*values: float) -> torch.Tensor:
    """A sequence for one neuron: `[T, 1, 1]` in double."""
    return torch.tensor(values, dtype=F64).view(-1, 1, 1)


def charged(neuron, x_seq: torch.Tensor) -> list[float]:
    """The potentials before firing."""
    seen = []
    fire = neuron.fire
    neuron.fire = lambda h: seen.append(h.item()) or fire(h)
    neuron(x_seq)
    return seen


@pytest.mark.parametrize(
    ("detach", "dw1", "dw2"),
    [(False, -0.2952159, -0.4930000), (True, -0.3115000, -0.5000000)],
    ids=["graph", "detached"],
)
def test_stbp_two_chained_neurons(detach, dw1, dw2):
    """stbp page, check 1: w 0.9, 0.7; V 0.5; d 0.2; x .4 .6 .3 .9; loss (mean o2 - 1)^2."""
    neuron = LIF(site(1), Rectangle(1.0), 1.25, False, v_th=0.5, detach_reset=detach, strict=True)
    w1, w2 = (torch.tensor(w, dtype=F64, requires_grad=True) for w in (0.9, 0.7))
    x = column(0.4, 0.6, 0.3, 0.9)
    assert charged(neuron, 0.9 * x) == pytest.approx([0.36, 0.612, 0.27, 0.864])
    o1 = neuron(w1 * x)
    assert o1.flatten().tolist() == [0, 1, 0, 1]
    assert charged(neuron, w2.detach() * o1.detach()) == pytest.approx([0, 0.7, 0, 0.7])
    loss = (neuron(w2 * o1).mean() - 1).square()
    assert loss.item() == 0.25
    loss.backward()
    assert (w1.grad.item(), w2.grad.item()) == pytest.approx((dw1, dw2), abs=1e-7)


@pytest.mark.parametrize(("detach", "dw"), [(True, 0.5954276), (False, 0.4403534)], ids=["detached", "graph"])
def test_plif_tau_2(detach, dw):
    """plif page, check 1."""
    neuron = PLIF(site(1), ATan(2.0), 2.0, detach_reset=detach).double()
    x = column(0.9, 1.4, 0.8, 2.5).requires_grad_()
    assert charged(neuron, x.detach()) == pytest.approx([0.45, 0.925, 0.8625, 1.68125])
    spikes = neuron(x)
    assert spikes.flatten().tolist() == [0, 0, 0, 1]
    spikes.sum().backward()
    assert neuron.w.grad.item() == pytest.approx(dw, abs=1e-7)
    if detach:
        assert x.grad.flatten().tolist() == pytest.approx([0.4788469, 0.7067876, 0.4661718, 0.0895977], abs=1e-7)


def test_plif_tau_16():
    """plif page, check 2."""
    neuron = PLIF(site(1), ATan(2.0), 16.0).double()
    assert neuron.w.item() == pytest.approx(-2.70805, abs=5e-6)
    x = column(0.9, 1.4, 0.8, 2.5)
    assert charged(neuron, x) == pytest.approx([0.05625, 0.1402344, 0.1814697, 0.3263779], abs=1e-7)
    spikes = neuron(x)
    assert spikes.sum() == 0
    spikes.sum().backward()
    assert neuron.w.grad.item() == pytest.approx(0.0936754, abs=1e-7)


@pytest.mark.parametrize("tau", [1.01, 1.5, 2.0, 3.7, 16.0, 1000.0])
def test_plif_starts_at_the_time_constant_asked_for(tau):
    """plif page, check 5: sigma(-ln(tau - 1)) = 1/tau for any tau > 1."""
    neuron = PLIF(site(1), ATan(), tau)
    assert neuron.w.item() == pytest.approx(-math.log(tau - 1), abs=1e-6)
    assert neuron.tau == pytest.approx(tau, rel=1e-5)


@pytest.mark.parametrize("decay_input", [True, False])
def test_plif_with_fixed_w_is_lif(decay_input):
    x = torch.randn(6, 4, 3, dtype=F64, generator=torch.Generator().manual_seed(0)) * 2
    plif = PLIF(site(), ATan(), 3.0, decay_input).double()
    assert torch.equal(plif(x), LIF(site(), ATan(), plif.tau, decay_input)(x))


def test_plif_time_constant_is_spared_weight_decay():
    assert PLIF(site(), ATan()).w.no_weight_decay


NEURONS = {
    "if": lambda: IF(site(), ATan()),
    "if_soft": lambda: IF(site(), ATan(), reset="soft", detach_reset=False),
    "lif": lambda: LIF(site(), ATan()),
    "lif_rest": lambda: LIF(site(), ATan(), v_reset=-0.3, detach_reset=False),
    "lif_undecayed": lambda: LIF(site(), Sigmoid(), decay_input=False, v_reset=-0.3),
    "lif_ottt": lambda: LIF(site(), Sigmoid(), 2.0, False, reset="soft", amplitude=2.74),
    "plif": lambda: PLIF(site(), ATan()),
}


@pytest.fixture(params=NEURONS)
def neuron(request):
    return NEURONS[request.param]()


@pytest.fixture
def x_seq():
    return torch.randn(5, 2, 3, 4, generator=torch.Generator().manual_seed(1)) * 2


def test_walking_equals_running_with_gradient(neuron, x_seq):
    run_in, walk_in = x_seq.clone().requires_grad_(), x_seq.clone().requires_grad_()
    run = neuron(run_in)
    with stepping(neuron) as step:
        walk = torch.stack([step(x_t) for x_t in walk_in])
    assert torch.equal(run, walk)
    assert 0 < run.count_nonzero() < run.numel()
    weights = torch.randn_like(run)
    (run * weights).sum().backward()
    (walk * weights).sum().backward()
    assert torch.equal(run_in.grad, walk_in.grad)


def test_nothing_is_kept_between_calls(neuron, x_seq):
    before = dict(neuron.state_dict())
    assert torch.equal(neuron(x_seq), neuron(x_seq))
    assert neuron.state_dict().keys() == before.keys() == dict(neuron.named_parameters()).keys()


def test_detached_walk_sends_no_gradient_back_in_time(neuron, x_seq):
    x_seq.requires_grad_()
    with stepping(neuron, detach=True) as step:
        last = [step(x_t) for x_t in x_seq][-1]
    last.sum().backward()
    assert x_seq.grad[:-1].abs().sum() == 0
    assert x_seq.grad[-1].abs().sum() > 0


def test_spikes_are_zero_or_amplitude(neuron, x_seq):
    assert neuron(x_seq).unique().tolist() == pytest.approx([0.0, neuron.amplitude])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, F64])
def test_membrane_is_at_least_fp32_and_spikes_have_the_inputs_dtype(neuron, x_seq, dtype):
    x = x_seq.to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        spikes, state = neuron.step(x[0], neuron.initial_state(x[0]))
        assert neuron(x).dtype == spikes.dtype == dtype
    assert state.dtype == torch.promote_types(dtype, torch.float32)


def test_bf16_sequence_spikes_like_its_fp32_copy(x_seq):
    neuron, x = LIF(site(), ATan()), x_seq.bfloat16()
    assert torch.equal(neuron(x).float(), neuron(x.float()))


def test_reset_above_threshold_is_refused():
    with pytest.raises(ConfigError, match=r"neuron\.v_reset=1\.5.*neuron\.v_th=1\.0"):
        LIF(site(), ATan(), v_reset=1.5)
