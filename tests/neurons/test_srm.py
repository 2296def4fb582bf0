"""SLAYER against its catalogue page's numbers."""

import pytest
import torch

from snnbench.build import build_model
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.filters import alpha_kernel, causal_filter
from snnbench.neurons.srm import SRM
from snnbench.objectives.spike_time import SpikeTime
from snnbench.surrogates.exp_abs import ExpAbs
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


def test_page_filter_and_its_adjoint():
    """slayer page, check 4: an impulse brings out the kernel, and the gradient is the correlation with it."""
    eps, x, y = alpha_kernel(10.0, 1.0), torch.randn(120, 2, 3, dtype=F64), torch.randn(120, 2, 3, dtype=F64)
    filtered, (back,) = graded(lambda x: causal_filter(eps, x), x, y)
    torch.testing.assert_close((filtered * y).sum(), (x * back).sum(), rtol=1e-12, atol=1e-12)
    assert causal_filter(eps, torch.eye(77, 1, dtype=F64)).flatten().tolist() == pytest.approx(list(eps), abs=1e-12)


@pytest.mark.parametrize("dt", [0.5, 1.0, 2.0])
def test_gradient_of_a_layer_whatever_the_step(dt):
    """dE/dx[m] = sum over n >= m of eps[n - m] rho(u[n]) dE/ds[n]; the released scale is dt."""
    neuron, eps = srm(dt, dt=dt), torch.tensor(alpha_kernel(10.0, dt), dtype=F64)
    x, g = 4 * torch.rand(60, 2, 3, dtype=F64), torch.randn(60, 2, 3, dtype=F64)
    spikes, (gradient,) = graded(neuron, x, g)
    psp, u = causal_filter(eps.tolist(), x), neuron.potentials(x)[1]
    torch.testing.assert_close(u, psp + causal_filter(alpha_kernel(1.0, dt, -2 * THETA), spikes))
    assert torch.equal(spikes, (u >= THETA).double())
    assert 0.03 < spikes.mean() < 0.9
    slope = g * dt / THETA * torch.exp(-(u - THETA).abs() / THETA)
    for m in (0, 7, 59):
        length = min(60 - m, len(eps))
        wanted = (eps[:length].view(-1, 1, 1) * slope[m : m + length]).sum(0)
        torch.testing.assert_close(gradient[m], wanted, rtol=1e-9, atol=1e-12)


def test_page_refractory_blocking():
    """slayer page, check 6: a spike lowers the next two potentials by 20 and 14.7."""
    psp = torch.full((2, 1, 1), 12.0, dtype=F64)
    after = srm().refractory(torch.cat([psp[:1], torch.zeros(4, 1, 1, dtype=F64)])).flatten()
    assert after.tolist() == pytest.approx([0, -20, -14.7151776, -8.1201170, -3.9829655], abs=1e-7)
    _, spikes, _ = one_synapse()
    assert spikes.flatten().nonzero().flatten().diff().min() == 3


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
