"""What membrane neurons share beyond what tests/contracts asks of every neuron: walks, precision."""

import pytest
import torch

from snnbench.build import instantiate
from snnbench.config.catalogue import options
from snnbench.neurons.integrate_fire import IF
from snnbench.neurons.lif import LIF
from snnbench.neurons.plif import PLIF
from snnbench.surrogates.atan import ATan
from snnbench.surrogates.sigmoid import Sigmoid
from tests.contracts.test_parts import node
from tests.tiny import graded, site, walked

NEURONS = {
    "if_soft": lambda: IF(site(), ATan(), reset="soft", detach_reset=False),
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
    weights = torch.randn_like(x_seq)
    (run, slope), (walk, other) = (graded(f, x_seq, weights) for f in (neuron, lambda x: walked(neuron, x)))
    assert torch.equal(run, walk)
    assert torch.equal(slope[0], other[0])
    assert run.unique().tolist() == pytest.approx([0.0, neuron.amplitude])


def test_detached_walk_sends_no_gradient_back_in_time(neuron, x_seq):
    x_seq.requires_grad_()
    walked(neuron, x_seq, detach=True)[-1].sum().backward()
    assert x_seq.grad[:-1].abs().sum() == 0
    assert x_seq.grad[-1].abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_membrane_is_at_least_fp32_and_spikes_have_the_inputs_dtype(neuron, x_seq, dtype):
    x = x_seq.to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        spikes, state = neuron.step(x[0], neuron.initial_state(x[0]))
        found = neuron(x)
    assert found.dtype == spikes.dtype == dtype
    assert state.dtype == torch.promote_types(dtype, torch.float32)
    torch.testing.assert_close(found.double(), neuron(x.double()), rtol=1e-2, atol=0)


@pytest.mark.parametrize("name", options("neuron"))
def test_half_input_spikes_like_its_fp32_copy(name):
    neuron = instantiate(node("neuron", name), site(), surrogate=ATan())
    x = (torch.randn(4, 16, 3, 20) * 2).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        spikes = neuron(x)
    assert torch.equal(spikes, neuron(x.float()).bfloat16())
