"""SLAYER against its catalogue page's numbers, and against the released formulas written out; delays; refusals."""

import math
import re

import pytest
import torch
from torch import nn

from snnbench.build import build_model, instantiate
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.filters import alpha_kernel, causal_filter
from snnbench.neurons.srm import SRM
from snnbench.objectives.num_spikes import NumSpikes
from snnbench.objectives.spike_time import SpikeTime
from snnbench.surrogates.exp_abs import ExpAbs
from snnbench.synapses.axonal_delay import AxonalDelay
from snnbench.synapses.plain import Plain
from snnbench.temporal import stepping
from tests.tiny import site

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


@pytest.mark.parametrize(("width", "scale"), [(10.0, 1.0), (2.5, 0.5)])
def test_page_peak_and_integral(width, scale):
    """slayer page, check 5: peak scaleRho/(tauRho theta), integral 2 scaleRho."""
    x = torch.linspace(-400, 400, 800_001, dtype=F64)
    rho = ExpAbs(width, scale).derivative(x)
    peak = ExpAbs(width, scale).derivative(torch.zeros(1, dtype=F64)).item()
    assert peak == scale / width >= rho.max()
    assert torch.trapezoid(rho, x).item() == pytest.approx(2 * scale, rel=1e-6)


def test_page_refractory_blocking():
    """slayer page, check 6: a spike lowers the next two potentials by 20 and 14.7."""
    psp = torch.full((2, 1, 1), 12.0, dtype=F64)
    after = srm().refractory(torch.cat([psp[:1], torch.zeros(4, 1, 1, dtype=F64)])).flatten()
    assert after.tolist() == pytest.approx([0, -20, -14.7151776, -8.1201170, -3.9829655], abs=1e-7)
    _, spikes, _ = one_synapse()
    assert spikes.flatten().nonzero().flatten().diff().min() == 3


def test_page_num_spikes_gradient():
    """slayer page, check 7, region = the whole sample."""
    spikes = (torch.rand(40, 1, 3, dtype=F64) < 0.2).to(F64).requires_grad_()
    loss, parts = NumSpikes(12.0, 2.0)(spikes, torch.tensor([1]))
    loss.backward()
    counts = spikes.detach().sum(0)[0]
    e = (counts - torch.tensor([2.0, 12.0, 2.0])) / 40
    eps = torch.tensor(alpha_kernel(10.0, 1.0), dtype=F64)
    for n in (0, 1, 17, 39):
        torch.testing.assert_close(spikes.grad[n, 0], e * eps[: 40 - n].sum())
    assert loss.item() == pytest.approx((0.5 * 40 * e.square().sum()).item())
    assert parts["count_error"].item() == pytest.approx((40 * e).abs().mean().item())


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


def test_filtering_the_current_is_filtering_the_spikes():
    eps, synapse = alpha_kernel(10.0, 1.0), Plain().conv(2, 2, 3, 3, padding=1).double()
    x = (torch.rand(30, 2, 2, 5, 5) < 0.2).to(F64)
    torch.testing.assert_close(causal_filter(eps, synapse(x)), synapse(causal_filter(eps, x)))


@pytest.mark.parametrize("changes", [{}, {"dt": 0.5}, {"tau_ref": 4.0, "strict": True}, {"scale_ref": 0.0, "dt": 3.0}])
def test_walking_equals_running_beyond_the_kernels_end(changes):
    neuron, x = srm(**changes), 3 * torch.randn(200, 2, 5, dtype=F64)
    x.requires_grad_()
    y = neuron(x)
    with stepping(neuron) as step:
        walked = torch.stack([step(x_t) for x_t in x])
    assert torch.equal(walked, y)
    assert 0 < y.mean() < 0.6
    weights = torch.randn_like(y)
    gradients = [torch.autograd.grad((s * weights).sum(), x)[0] for s in (walked, y)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def test_fires_at_the_threshold_itself_unless_strict():
    x = torch.zeros(12, 1, 1, dtype=F64)
    x[0] = THETA  # the PSP peaks with exactly 10 at n = 10
    assert srm()(x).flatten().nonzero().flatten().tolist() == [10]
    assert srm(strict=True)(x).sum() == 0


def test_half_precision_currents_are_filtered_in_full():
    x = (3 * torch.randn(40, 2, 4)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        spikes, u = srm().potentials(x)
    assert (spikes.dtype, u.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(u, srm().potentials(x.float())[1])


def test_amplitude_is_what_leaves_and_does_not_touch_the_potential():
    x = 3 * torch.randn(40, 2, 4)
    (once, u), (tall, v) = srm().potentials(x), srm(amplitude=2.5).potentials(x)
    assert torch.equal(tall, 2.5 * once)
    assert torch.equal(u, v)


def test_spikes_outside_the_region_are_penalised_as_they_are():
    spikes = torch.zeros(20, 1, 2, dtype=F64)
    spikes[3, 0, 1] = 1
    loss, _ = NumSpikes(4.0, 1.0, start=10.0, stop=20.0)(spikes, torch.tensor([0]))
    tail = torch.tensor(alpha_kernel(10.0, 1.0)[:17], dtype=F64)
    error = torch.zeros(20, 2, dtype=F64)
    error[10:] = torch.tensor([-0.4, -0.1])
    error[3:, 1] += tail
    assert loss.item() == pytest.approx(0.5 * error.square().sum().item())


def test_losses_are_means_over_samples_and_counts_take_soft_targets():
    spikes = (torch.rand(30, 4, 3, dtype=F64) < 0.3).to(F64)
    target = torch.tensor([0, 1, 2, 2])
    for objective in (NumSpikes(9.0, 1.0), SpikeTime()):
        each = [objective(spikes[:, n : n + 1], target[n : n + 1])[0] for n in range(4)]
        torch.testing.assert_close(objective(spikes, target)[0], torch.stack(each).mean())
    half = torch.full((4, 3), 1 / 3, dtype=F64)
    wanted = (spikes.sum(0) - (1 + 8 / 3)).abs().mean()
    torch.testing.assert_close(NumSpikes(9.0, 1.0)(spikes, half)[1]["count_error"], wanted)


def delayed(delays, dt=1.0):
    synapse = AxonalDelay(dt).linear(len(delays), 1, bias=False).double()
    with torch.no_grad():
        synapse.filter.delay.copy_(torch.tensor(delays))
    return synapse


def test_delay_shifts_by_whole_steps_with_the_released_gradient():
    """dE/dd = sum_n dE/dy[n] (y[n-1] - y[n]); dE/dx comes back by as many steps."""
    lines = delayed([0.9, 1.0, 2.7, 9.0]).filter
    x = torch.tensor([1.0, 4, 0, 2, 3], dtype=F64).view(5, 1, 1).repeat(1, 1, 4).requires_grad_()
    y = lines(x)
    assert y[:, 0].T.tolist() == [[1, 4, 0, 2, 3], [0, 1, 4, 0, 2], [0, 0, 1, 4, 0], [0] * 5]
    g = torch.tensor([1.0, -2, 5, 3, 7], dtype=F64).view(5, 1, 1)
    (y * g).sum().backward()
    assert lines.delay.grad.tolist() == [
        -1 + (1 - 4) * -2 + 4 * 5 + (0 - 2) * 3 + (2 - 3) * 7,
        0 - 1 * -2 + (1 - 4) * 5 + 4 * 3 - 2 * 7,
        0 + 0 - 1 * 5 + (1 - 4) * 3 + 4 * 7,
        0,
    ]
    assert x.grad[:, 0].T.tolist() == [[1, -2, 5, 3, 7], [-2, 5, 3, 7, 0], [5, 3, 7, 0, 0], [0] * 5]


def test_delays_are_in_ms_and_start_below_one():
    assert delayed([1.0], dt=0.5).filter(torch.eye(4, dtype=F64)[0].view(4, 1, 1)).flatten().tolist() == [0, 0, 1, 0]
    lines = AxonalDelay().linear(500, 2).filter
    assert 0 <= lines.delay.min() < 0.02 < 0.98 < lines.delay.max() < 1
    assert lines.delay.no_weight_decay
    x = torch.rand(4, 2, 500)
    assert torch.equal(lines(x), x)
    assert torch.equal(lines.learnt()["delay"], lines.delay)


def test_negative_delays_are_clamped_in_training_and_read_as_zero_in_evaluation():
    synapse, x = delayed([-0.5, 1.5]), torch.rand(4, 1, 2, dtype=F64)
    out = synapse.eval()(x)
    assert synapse.filter.delay.tolist() == [-0.5, 1.5], "evaluation must not change what is trained"
    assert torch.equal(synapse.train()(x), out)
    assert synapse.filter.delay.tolist() == [0, 1.5], "clamped as after the released examples' optimiser step"


@pytest.mark.parametrize("kind", ["linear", "conv1", "conv2"])
def test_delayed_synapses_walk_and_are_plain_ones_of_shifted_lines(kind):
    family = AxonalDelay()
    if kind == "linear":
        synapse, x = family.linear(4, 3), torch.randn(9, 2, 4, dtype=F64)
    else:
        dims = int(kind[-1])
        synapse = family.conv(dims, 4, 6, 3, stride=2, padding=1, bias=True, groups=2)
        x = torch.randn(9, 2, 4, *[6] * dims, dtype=F64)
    synapse.double()
    with torch.no_grad():
        synapse.filter.delay.copy_(torch.tensor([0.2, 3.4, 1.0, 2.0]))
    shifted = torch.stack([torch.cat([x.new_zeros(d, *x[:, :, c].shape[1:]), x[: 9 - d, :, c]])
                           for c, d in enumerate((0, 3, 1, 2))], dim=2)  # fmt: skip
    y = synapse(x)
    torch.testing.assert_close(y, synapse.synapse(shifted))
    with stepping(synapse) as step:
        walked = torch.stack([step(x_t) for x_t in x])
    torch.testing.assert_close(walked, y)
    weights = torch.randn_like(y)
    whole, walk = (torch.autograd.grad((out * weights).sum(), synapse.filter.delay)[0] for out in (y, walked))
    torch.testing.assert_close(walk, whole)


def test_a_delay_learns_to_meet_its_target():
    synapse = delayed([0.5])
    synapse.synapse.weight.data.fill_(1.0)
    t = torch.arange(40, dtype=F64)
    bump, late = (torch.exp(-0.5 * ((t - at) / 4) ** 2).view(-1, 1, 1) for at in (12, 19))
    optimizer = torch.optim.SGD([synapse.filter.delay], lr=1.0)
    for _ in range(60):
        optimizer.zero_grad()
        (0.5 * (synapse(bump) - late).square().sum()).backward()
        optimizer.step()
    assert math.floor(synapse.filter.delay.item()) in (6, 7)


def test_a_net_with_delays_trains_them_without_decay():
    config = compose(["method=slayer", "synapse=axonal_delay", "model.hidden=[20]", "T=20", "encoder=poisson"]).config
    torch.manual_seed(0)
    net, _ = build_model(config)
    optimizer = instantiate(config["optimizer"] | {"weight_decay": 0.1}, net)
    held = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    delays = [p for name, p in net.named_parameters() if name.endswith("delay")]
    assert [held[id(p)] for p in delays] == [0, 0]
    assert [len(p) for p in delays] == [64, 20]
    net((torch.rand(20, 3, 1, 8, 8) < 0.3).float()).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())
    assert all(group["amsgrad"] for group in optimizer.param_groups)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: srm(dt=200.0), "neuron.dt=200.0 ms is too long for neuron.tau_s=10.0 ms"),
        (lambda: NumSpikes(5.0, 5.0), "objective.true_count=5.0 must be above objective.false_count=5.0"),
        (
            lambda: NumSpikes(stop=30.0)(torch.zeros(20, 1, 2), torch.tensor([0])),
            "no region within T=20 steps of 1.0 ms",
        ),
        (lambda: NumSpikes(start=20.0)(torch.zeros(20, 1, 2), torch.tensor([0])), "objective.start=20.0"),
        (lambda: SpikeTime(first=9)(torch.zeros(5, 1, 2), torch.tensor([0])), "objective.first=9"),
        (lambda: AxonalDelay().conv(3, 1, 1, 1), "3-d"),
    ],
)
def test_values_that_cannot_work_are_refused(build, says):
    with pytest.raises(ConfigError, match=re.escape(says)) as error:
        build()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            ["objective=num_spikes"],
            "objective=num_spikes does not fit the rest: a number of spikes needs a model",
        ),
        (["objective=spike_time"], "objective=spike_time does not fit the rest: a distance between spike trains needs"),
        (["method=slayer", "model=s4nn_mlp"], "model=s4nn_mlp does not fit the rest"),
        (["method=ottt", "neuron=srm"], "neuron=srm does not go with rule=ottt: an input moves this neuron's"),
        (["method=ottt", "synapse=axonal_delay"], "synapse=axonal_delay does not go with rule=ottt"),
        (["method=s4nn", "synapse=axonal_delay"], "synapse=axonal_delay does not go with rule=s4nn"),
        (["method=tandem", "synapse=axonal_delay"], "rule=tandem does not go with synapse=axonal_delay"),
        (["method=superspike", "synapse=axonal_delay"], "rule=superspike does not go with synapse=axonal_delay"),
        (["method=superspike", "neuron=srm"], "use neuron=cuba_lif"),
        (["method=slayer", "objective.stop=0"], "objective.stop=0 must be a number > 0 or null"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(overrides, says):
    with pytest.raises(ConfigError, match=re.escape(says)) as error:
        compose(overrides)
    assert "\n" not in str(error.value)


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
