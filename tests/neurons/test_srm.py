"""SLAYER against its catalogue page's numbers, and against the released formulas written out."""

import pytest
import torch
from torch import nn

from snnbench.build import build_model
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.filters import alpha_kernel, causal_filter
from snnbench.neurons.srm import SRM
from snnbench.objectives.num_spikes import NumSpikes
from snnbench.objectives.spike_time import SpikeTime
from snnbench.surrogates.exp_abs import ExpAbs
from snnbench.synapses.plain import Plain
from tests.tiny import graded, site, walked

F64 = torch.float64
THETA = 10.0
FP32 = 2**-22  # the page computed in fp32: up to two units in its last place, relative


def srm(scale=1.0, **changes) -> SRM:
    """The neuron of the released examples."""
    return SRM(site(), ExpAbs(THETA, scale), **({"v_th": THETA} | changes))


def one_synapse():
    """The page's case: w = 12, input spikes at 0 and 1, T = 12; (w, spikes, u), `[12, 1, 1]` both."""
    w = torch.tensor(12.0, dtype=F64, requires_grad=True)
    x = torch.zeros(12, 1, 1, dtype=F64)
    x[:2] = 1
    spikes, u = srm().potentials(w * x)
    return w, spikes, u


def test_page_kernels():
    """slayer page, check 1."""
    eps, nu = alpha_kernel(10.0, 1.0), alpha_kernel(1.0, 1.0, -20.0)
    assert (len(eps), len(nu)) == (77, 11)
    assert eps[:6] == pytest.approx([0, 0.2459603, 0.4451082, 0.6041258, 0.7288475, 0.8243606], abs=5e-8)
    assert (eps[10], eps[76]) == (1, pytest.approx(0.0103388, abs=5e-8))
    wanted = [0, -20, -14.7151775, -8.1201172, -3.9829655, -1.8315638, -0.8085536, -0.3470253, -0.1459011, -0.0603833,
              -0.0246820]  # fmt: skip
    assert list(nu) == pytest.approx(wanted, rel=FP32, abs=5e-8)  # by hand nu[3] = -60 exp(-2) = -8.1201170
    neuron = srm()
    assert neuron.eps.tolist() == list(eps)
    assert neuron.nu.tolist() == list(nu)
    assert len(srm(v_th=1.0).nu) == 9, "the cut is absolute"


def test_page_potentials_and_spikes():
    """slayer page, check 2: w a, the spike times, u with the refractory response."""
    _, spikes, u = one_synapse()
    assert spikes.flatten().nonzero().flatten().tolist() == [3, 6, 9]
    wanted = [0, 2.951524, 8.292822, 12.590807, -4.004321, 3.923319, 12.513348, -1.903013, 6.517538, 14.732641,
              -0.394144, 7.251211]  # fmt: skip
    assert u.flatten().tolist() == pytest.approx(wanted, abs=20 * FP32)  # sums of terms up to 20
    x = torch.zeros(12, 1, 1, dtype=F64)
    x[:2] = 12
    psp = causal_filter(alpha_kernel(10.0, 1.0), x)
    wanted = [0, 2.951524, 8.292822, 12.590807, 15.995679, 18.638496, 20.633465, 22.079952]
    # by hand 12 (eps[4] + eps[5]) = 12 (0.72884752 + 0.82436064) = 18.638498
    assert psp.flatten()[:8].tolist() == pytest.approx(wanted, rel=FP32, abs=5e-7)


def test_page_surrogate_spike_time_loss_and_gradients():
    """slayer page, check 3: rho is taken at u with the refractory response, which itself passes no gradient."""
    w, spikes, u = one_synapse()
    rho = ExpAbs(THETA).derivative(u - THETA).flatten()[:4]
    assert rho.tolist() == pytest.approx([0.0367879, 0.0494184, 0.0843059, 0.0771761], abs=5e-8)
    target = torch.zeros(1, 12, 1, dtype=F64)
    target[0, 5] = 1
    spikes.retain_grad()
    loss, parts = SpikeTime()(spikes, target)
    assert parts["spike_time"] is loss
    loss.backward()
    assert loss.item() == pytest.approx(2.3649838, rel=FP32)
    wanted = [5.2242002, 5.0648165, 4.8141232, 4.4546776]
    assert spikes.grad.flatten()[:4].tolist() == pytest.approx(wanted, rel=FP32)
    assert w.grad.item() == pytest.approx(1.9492884, rel=FP32)


def test_page_adjointness():
    """slayer page, check 4: the gradient of the filter is the correlation with its kernel."""
    eps = alpha_kernel(10.0, 1.0)
    x = torch.randn(120, 2, 3, dtype=F64, requires_grad=True)
    y = torch.randn(120, 2, 3, dtype=F64)
    filtered = causal_filter(eps, x)
    (back,) = torch.autograd.grad(filtered, x, y)
    torch.testing.assert_close((filtered * y).sum(), (x * back).sum(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(back, correlated(y, eps, 1.0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(filtered.detach(), convolved(x.detach(), eps, 1.0), rtol=1e-12, atol=1e-12)


def test_page_refractory_blocking():
    """slayer page, check 6: a spike lowers the next two potentials by 20 and 14.7."""
    psp = torch.full((2, 1, 1), 12.0, dtype=F64)
    after = srm().refractory(torch.cat([psp[:1], torch.zeros(4, 1, 1, dtype=F64)])).flatten()
    assert after.tolist() == pytest.approx([0, -20, -14.7151776, -8.1201170, -3.9829655], abs=1e-7)
    _, spikes, _ = one_synapse()
    assert spikes.flatten().nonzero().flatten().diff().min() == 3


# The released formulas, spikes of height 1/Ts, written out for one sample `[T, C]` without autograd.


def convolved(x, kernel, ts):
    y = torch.zeros_like(x)
    for i, k in enumerate(kernel[: len(x)]):
        y[i:] += ts * k * x[: len(x) - i]
    return y


def correlated(y, kernel, ts):
    return convolved(y.flip(0), kernel, ts).flip(0)


def released_spikes(psp, nu, ts):
    """Spikes, and u changed in place by the refractory response."""
    u, s = psp.clone(), torch.zeros_like(psp)
    for n in range(len(u)):
        s[n] = (u[n] >= THETA).to(F64) / ts
        for j, k in enumerate(nu):
            if n + j < len(u):
                u[n + j] += k * s[n] * ts
    return s, u


def released_gradients(weights, x, target, ts, start, stop, counts):
    """(loss, dE/dW of each layer) for input spikes x `[T, C]` of height 1/ts, the region in steps."""
    eps, nu = alpha_kernel(10.0, ts), alpha_kernel(1.0, ts, -2 * THETA)
    s, layers = x, []
    for w in weights:
        a = convolved(s, eps, ts)
        s, u = released_spikes(a @ w.T, nu, ts)
        layers.append((a, u))
    wanted = torch.tensor([counts[k == target] for k in range(s.shape[1])], dtype=F64)
    outside = s.clone()
    outside[start:stop] = 0
    e = convolved(outside, eps, ts)
    e[start:stop] += (ts * s[start:stop].sum(0) - wanted) / (stop - start)
    grad_s, gradients = correlated(ts * e, eps, ts), []
    for w, (a, u) in zip(reversed(weights), reversed(layers)):
        grad_u = grad_s * torch.exp(-(u - THETA).abs() / THETA) / THETA
        gradients.insert(0, grad_u.T @ a)
        grad_s = correlated(grad_u @ w, eps, ts)
    return (0.5 * ts * e.square().sum()).item(), gradients, s


@pytest.mark.parametrize(("ts", "start", "stop"), [(1.0, 0, 60), (1.0, 10, 50), (0.5, 6, 60), (2.0, 0, 40)])
def test_two_layers_as_released_whatever_the_step(ts, start, stop):
    """Spikes of height 1 and surrogate.scale = dt give the released loss and weight gradients."""
    torch.manual_seed(1)
    x = (torch.rand(60, 8) < 0.2).to(F64)
    weights = [4 * torch.randn(6, 8, dtype=F64), 5 * torch.randn(3, 6, dtype=F64)]
    loss, gradients, spikes = released_gradients(weights, x / ts, 2, ts, start, stop, (3.0, 9.0))
    net = nn.Sequential()
    for w in weights:
        net += nn.Sequential(Plain().linear(w.shape[1], w.shape[0], bias=False).double(), srm(ts, dt=ts))
        net[-2].weight.data.copy_(w)
    out = net(x.unsqueeze(1))
    assert torch.equal(out[:, 0], spikes * ts)
    assert 0.03 < out.mean() < 0.9
    ours, _ = NumSpikes(9.0, 3.0, start * ts, stop * ts, dt=ts)(out, torch.tensor([2]))
    ours.backward()
    assert ours.item() == pytest.approx(loss, rel=1e-12)
    for layer, gradient in zip((net[0], net[2]), gradients):
        assert gradient.abs().max() > 1e-4
        torch.testing.assert_close(layer.weight.grad, gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("changes", [{"dt": 0.5}, {"tau_ref": 4.0, "strict": True}, {"scale_ref": 0.0, "dt": 3.0}])
def test_walking_equals_running_beyond_the_kernels_end(changes):
    neuron, x = srm(**changes), 3 * torch.randn(200, 2, 5, dtype=F64)
    found, expected = (graded(f, x, torch.cos(x)) for f in (lambda x: walked(neuron, x), neuron))
    assert torch.equal(found[0], expected[0])
    assert 0 < expected[0].mean() < 0.6
    torch.testing.assert_close(found[1], expected[1], rtol=1e-9, atol=1e-12)


def test_fires_at_the_threshold_itself_unless_strict():
    x = torch.zeros(12, 1, 1, dtype=F64)
    x[0] = THETA  # the PSP peaks with exactly 10 at n = 10
    assert srm()(x).flatten().nonzero().flatten().tolist() == [10]
    assert srm(strict=True)(x).sum() == 0


def test_amplitude_is_what_leaves_and_does_not_touch_the_potential():
    x = 3 * torch.randn(40, 2, 4)
    (once, u), (tall, v) = srm().potentials(x), srm(amplitude=2.5).potentials(x)
    assert torch.equal(tall, 2.5 * once)
    assert torch.equal(u, v)


def test_method_takes_the_released_settings():
    config = compose(["method=slayer"]).config
    net, _ = build_model(config)
    neuron = net.output.neuron
    assert (neuron.v_th, neuron.tau_s, neuron.tau_ref, neuron.scale_ref, neuron.dt) == (10, 10, 1, 2, 1)
    assert neuron.surrogate.derivative(torch.zeros(1)).item() == pytest.approx(0.1)
    assert config["optimizer"]["amsgrad"] is True
    assert net.output.synapse.bias is None


def test_every_time_constant_gives_a_kernel_or_a_sentence():
    assert alpha_kernel(1e-320, 1.0) == (0.0,)
    with pytest.raises(ConfigError, match=r"time constant of 1e\+20 ms in steps of dt=1\.0 ms makes an endless kernel"):
        alpha_kernel(1e20, 1.0)
    with pytest.raises(ConfigError, match=r"neuron.dt=200.0 ms is too long for neuron.tau_s=10.0 ms"):
        srm(dt=200.0)
