"""ALIF and its block-parallel form: equal spikes, the stated gradient, the refractory period (page adaptive_block)."""

import pytest
import torch

from snnbench.neurons.alif import ALIF
from snnbench.neurons.block_alif import BlockALIF, decaying_sum
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.surrogates.fast_sigmoid import FastSigmoid
from tests.tiny import column, graded, site

F64 = torch.float64
FAST = FastSigmoid(10.0)


def pair(latency: int, **changes):
    """ALIF and BlockALIF with the same parameters, different in each channel."""
    torch.manual_seed(3)
    alif, block = (make(Site(6, 1), FAST, latency, **changes).double() for make in (ALIF, BlockALIF))
    alif.beta.data.uniform_(0.5, 0.99)
    alif.p.data.uniform_(0.5, 0.99)
    alif.b.data.uniform_(0.05, 0.9)
    block.load_state_dict(alif.state_dict())
    return alif, block


@pytest.mark.parametrize("steps", [200, 203, 3])
@pytest.mark.parametrize("latency", [0, 1, 4, 9, 39])
def test_spikes_of_blocks_are_those_of_the_loop(latency, steps):
    """Check 1; and check 4: at most one spike in any L steps."""
    alif, block = pair(latency)
    x = torch.randn(steps, 8, 6, dtype=F64) + 0.4
    spikes = block(x)
    assert torch.equal(spikes, alif(x))
    assert spikes.sum() > 0
    if steps > latency:
        assert spikes.unfold(0, latency + 1, 1).sum(-1).max() == 1


def test_adaptation_and_rest_by_hand():
    """beta .5, p .5, b 1, d 1; constant 1.2: it fires, rests a step, and waits for its threshold to come down."""
    neuron = ALIF(site(1), ATan(), 1, beta=0.5, p=0.5, b=0.999).double()
    neuron.b.data.fill_(1.0)
    x = column(*[1.2] * 8)
    spikes, state, seen = [], neuron.initial_state(x[0]), []
    for x_t in x:
        spike, state = neuron.step(x_t, state)
        spikes.append(spike.item())
        seen.append((state[0].item(), state[1].item()))
    # v: 1.2 > 1 fires; rests; 1.2 < 1.5; 1.8 > 1.25 fires; rests; 1.2 < 1.5625; 1.8 > 1.28125 fires; rests
    assert spikes == [1, 0, 0, 1, 0, 0, 1, 0]
    assert [a for _, a in seen] == pytest.approx([1, 0.5, 0.25, 1.125, 0.5625, 0.28125, 1.140625, 0.5703125])
    assert [v for v, _ in seen] == pytest.approx([0, 0, 1.2, 0, 0, 1.2, 0, 0])


def test_toy_block_gradient():
    """Check 2: beta .5, I = .6 five times, theta 1, L = 5."""
    neuron = BlockALIF(site(1), FAST, 4, beta=0.5).double()
    x = column(*[0.6] * 5).requires_grad_()
    v = decaying_sum(x.detach(), torch.tensor(0.5, dtype=F64))
    assert v.flatten().tolist() == pytest.approx([0.6, 0.9, 1.05, 1.125, 1.1625])
    assert (v > 1).double().cumsum(0).cumsum(0).flatten().tolist() == [0, 0, 1, 3, 6]
    spikes = neuron(x)
    assert spikes.flatten().tolist() == [0, 0, 1, 0, 0]
    spikes[2].sum().backward()
    assert x.grad.flatten().tolist() == pytest.approx([0.481111, 0.722222, 0.444444, 0, 0], abs=1e-6)


def test_gradient_inside_a_block_is_the_pages_formula():
    """dL/df[k] = sum_{t>=k} (t-k+1) g[t];  dL/dI[j] = sum_{k>=j} beta^(k-j) sg'(v[k] - theta) dL/df[k]."""
    length, beta = 7, 0.8
    neuron = BlockALIF(site(1), FAST, length - 1, beta=beta).double()
    x, g = torch.rand(length, 1, 1, dtype=F64), torch.randn(length, dtype=F64)
    x.requires_grad_()
    (neuron(x).flatten() * g).sum().backward()
    lag = torch.arange(length)[:, None] - torch.arange(length)
    ramp, decay = (lag + 1).clamp(min=0).double(), torch.where(lag >= 0, neuron.beta.detach() ** lag.clamp(min=0), 0.0)
    v = decay @ x.detach().flatten()
    by_hand = decay.t() @ (FAST.derivative(v - 1) * (ramp.t() @ g))
    torch.testing.assert_close(x.grad.flatten(), by_hand)


@pytest.mark.parametrize(("latency", "steps"), [(0, 7), (4, 20), (4, 23), (39, 203)])
def test_a_block_is_one_sequential_step(latency, steps):
    """Check 5: ceil(T / L) firings in a row, each of a whole block."""
    neuron, lengths = BlockALIF(site(), FAST, latency), []
    handle = FAST.register_forward_hook(lambda _module, args, _spikes: lengths.append(len(args[0])))
    try:
        neuron(torch.randn(steps, 2, 3))
    finally:
        handle.remove()
    assert len(lengths) == -(-steps // (latency + 1))
    assert sum(lengths) == steps


def test_blocks_inflate_the_gradient():
    """Check 3, sum of spikes at d = 9: about the loop's direction, many times its length (the page has .96 and 48)."""
    x = torch.randn(200, 8, 6, dtype=F64) + 0.4
    loop, block = (graded(neuron, x)[1][0].flatten() for neuron in pair(9))
    assert torch.nn.functional.cosine_similarity(loop, block, dim=0) > 0.5
    assert block.norm() / loop.norm() > 10


def test_latency_zero_is_the_loop_also_in_gradient_without_adaptation():
    """A block of one step has no faulty spikes; the loop's adaptation carries spike gradients, so b is made tiny."""
    x, neurons = torch.randn(9, 4, 6, dtype=F64), pair(0)
    for neuron in neurons:
        neuron.b.data.fill_(0.0)  # clamped to 0.001
    torch.testing.assert_close(*(graded(neuron, x)[1] for neuron in neurons), atol=2e-2, rtol=0)


def test_released_b_never_learns():
    for start, learns in ((1.8, False), (0.999, True)):
        neuron = BlockALIF(site(), ATan(), b=start)
        neuron(torch.randn(8, 4, 3)).sum().backward()
        assert bool(neuron.b.grad.abs().sum() > 0) == learns
