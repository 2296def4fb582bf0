"""Learnable delays against their catalogue page's numbers, and as a synapse: walking, rounding, images, refusals."""

import pytest
import torch
from torch.nn import functional as F

from snnbench.build import build_model, instantiate
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.models.parts import Parts
from snnbench.models.snn_delays import LeakyIntegrator, SNNDelays, Tail
from snnbench.neurons.lif import LIF
from snnbench.norms.batch_norm import BatchNorm
from snnbench.objectives.mean_ce import MeanCE
from snnbench.surrogates.atan import ATan
from snnbench.synapses.dcls import DCLS

F64 = torch.float64


def one_line(weight, position, sigma, taps=5):
    synapse = DCLS(taps, sigma=sigma).linear(1, 1, bias=False).double()
    with torch.no_grad():
        synapse.weight.fill_(weight)
        synapse.position.fill_(position)
    return synapse


def kernel(synapse):
    return synapse.effective_weight().flatten().tolist()


def train_of(*values, tail=0):
    return Tail(tail)(torch.tensor(values, dtype=F64).view(-1, 1, 1))


def test_page_kernel_output_and_gradients():
    """dcls_delays page, check 1: D 5, w 2, P 0.6, sigma 1."""
    synapse = one_line(2.0, 0.6, 1.0)
    assert kernel(synapse) == pytest.approx([0.0829407, 0.3049440, 0.6031281, 0.6417056, 0.3672815], abs=1e-7)
    assert sum(kernel(synapse)) == pytest.approx(2, abs=1e-6)
    y = synapse(train_of(1, 0, 0, 1, 0, 0, tail=2))
    expected = [0.3672815, 0.6417056, 0.6031281, 0.6722255, 0.7246463, 0.6031281, 0.3049440, 0.0829407]
    assert y.flatten().tolist() == pytest.approx(expected, abs=1e-7)
    (y.flatten() * torch.arange(1, 9)).sum().backward()
    assert synapse.weight.grad.item() == pytest.approx(8.0945564, abs=1e-7)
    assert synapse.position.grad.item() == pytest.approx(-2.8986604, abs=1e-7)


def test_page_rounded_at_evaluation():
    """dcls_delays page, check 2: a pure delay of h - P = 1 step."""
    synapse = one_line(2.0, 0.6, 1.0).eval()
    assert kernel(synapse) == pytest.approx([0, 0, 0, 2, 0], abs=1e-6)
    y = synapse(train_of(1, 0, 0, 1, 0, 0, tail=2))
    assert y.flatten().tolist() == pytest.approx([0, 2, 0, 0, 2, 0, 0, 0], abs=1e-6)
    assert synapse.delays.item() == 1
    assert synapse.position.item() == 0.6, "evaluation must not change what is trained"


def test_page_widths():
    """dcls_delays page, check 3."""
    assert kernel(one_line(2.0, 0.0, 12.0)) == pytest.approx([0.3973, 0.4013, 0.4027, 0.4013, 0.3973], abs=5e-5)
    assert kernel(one_line(2.0, 0.0, 0.23)) == pytest.approx([0.0005, 0.2129, 1.5731, 0.2129, 0.0005], abs=5e-5)


def test_page_sigma_schedule():
    """dcls_delays page, check 4: 37 of 150 epochs for SHD, then constant."""
    synapse = DCLS(25, sigma_until=37 / 150).linear(3, 2)
    seen = []
    for epoch in range(150):
        synapse.on_epoch(epoch / 150)
        seen.append(synapse.sigma.item())
    assert seen[0] == 12
    assert seen[1] / seen[0] == pytest.approx(0.8986330, abs=1e-6)
    assert seen[36] > 0.23
    assert seen[37:] == pytest.approx([0.23] * 113, abs=1e-6)
    assert synapse.on_epoch(1.0) is None, "a captured graph reads sigma from memory"


def test_page_parameter_counts():
    """dcls_delays page, check 5: weights + positions + norms."""

    def trained(experiment, *changes):
        net, _ = build_model(compose([f"experiment={experiment}", *changes]).config)
        return sum(p.numel() for p in net.parameters() if p.requires_grad), net

    count, net = trained("dcls/shd_2x256")
    assert count == 214_016
    assert sum(s.weight.numel() for s in net.synapses()) == 106_496
    assert trained("dcls/ssc_3x512_2", "synapse.bumps=1")[0] == 1_230_848
    assert trained("dcls/ssc_3x512_2")[0] == 2_458_624


def test_page_baselines():
    """dcls_delays page, check 6: fixed random delays; one tap is a dense layer."""
    fixed = DCLS(9, learn_delays=False).linear(4, 3)
    fixed(torch.rand(6, 2, 4)).sum().backward()
    assert fixed.position.grad is None
    assert fixed.position.unique().numel() > 1
    dense, x = DCLS(1).linear(4, 3, bias=True), torch.rand(6, 2, 4)
    for mode in (True, False):
        torch.testing.assert_close(dense.train(mode)(x), F.linear(x, dense.weight[..., 0], dense.bias))


@pytest.mark.parametrize("shift", [1, 2])
def test_page_integer_shift(shift):
    """dcls_delays page, check 7: P + n comes n steps earlier."""
    synapse = DCLS(25, sigma=0.3).linear(3, 2, bias=False).double()
    with torch.no_grad():
        synapse.position.uniform_(-1, 1)
    x = Tail(24)(torch.rand(5, 2, 3, dtype=F64))
    late = synapse(x)
    with torch.no_grad():
        synapse.position += shift
    torch.testing.assert_close(synapse(x)[:-shift], late[shift:], rtol=0, atol=1e-6)


def test_positions_start_and_stay_within_the_kernel():
    synapse = DCLS(25).linear(64, 64)
    assert -12 <= synapse.position.min() < -11.9 < 11.9 < synapse.position.max() <= 12
    assert synapse.position.no_weight_decay
    assert synapse.lr_scales == {"position": 100.0}
    with torch.no_grad():
        synapse.position[0, 0, 0] = 30.0
    synapse(torch.rand(3, 1, 64)).sum().backward()
    assert synapse.position[0, 0, 0] == 12, "clamped as after the official optimiser step"
    with pytest.raises(ConfigError, match=r"taps=4 must be odd"):
        DCLS(4)


def test_convolution_is_delayed_convolutions():
    """On images: each weight of the kernel has its own delay."""
    synapse = DCLS(3).conv(2, 2, 3, 3, padding=1).double().eval()
    x = torch.rand(5, 2, 2, 6, 6, dtype=F64)
    expected = torch.zeros(5, 2, 3, 6, 6, dtype=F64)
    for delay in range(3):
        weight = synapse.weight[..., 0] * (synapse.delays[..., 0] == delay)
        past = torch.cat([x.new_zeros(delay, *x.shape[1:]), x[: 5 - delay]])
        expected += F.conv2d(past.flatten(0, 1), weight, padding=1).unflatten(0, (5, 2))
    torch.testing.assert_close(synapse(x), expected, rtol=1e-6, atol=1e-6)


def test_net_gives_the_published_loss_and_score():
    """m = sum_t softmax(v_t), CE(m, y); the output runs on h steps a layer."""
    parts = Parts(lambda site, **c: LIF(site, ATan(5.0), 1.005, False, **c), BatchNorm, DCLS(5), 8)
    torch.manual_seed(1)
    net = SNNDelays(parts, (1, 1, 20), 4, hidden=16, layers=2, dropout=0.0, readout_tau=1.5, tail=2)
    x, y = torch.rand(8, 3, 1, 1, 20) * 3, torch.tensor([0, 3, 1])
    logits = net(x)
    assert logits.shape == (8 + 3 * 2, 3, 4)
    net.softmax = False
    score = net(x).softmax(-1).sum(0)
    torch.testing.assert_close(logits.mean(0), score)
    torch.testing.assert_close(MeanCE()(logits, y)[0], F.cross_entropy(score, y))


def test_integrator_is_a_lif_that_never_fires():
    """v = v (1 - 1/tau) + x, for an impulse."""
    out = LeakyIntegrator(1.5)(torch.eye(4, 1).view(4, 1, 1))
    assert out.flatten().tolist() == pytest.approx([3.0**-n for n in range(4)])


def test_position_group_of_the_optimiser():
    net, _ = build_model(config := compose(["experiment=dcls/shd_2x256"]).config)
    optimizer = instantiate(config["optimizer"], net)
    of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    group = of[id(net.readout.position)]
    assert group["lr"] == pytest.approx(0.1)
    assert group["weight_decay"] == 0
    assert of[id(net.readout.weight)]["weight_decay"] == 1e-5
    assert of[id(net.units()[0].norm.weight)]["weight_decay"] == 0


@pytest.mark.parametrize("epochs", [150, 60])
def test_one_cycle_is_torchs(epochs):
    from snnbench.train.schedules import OneCycle

    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], lr=1e-3)
    peer = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=epochs)
    ours = OneCycle(epochs)
    for epoch in range(epochs):
        assert 5e-3 * ours.factor(epoch) == pytest.approx(peer.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        if epoch < epochs - 1:
            peer.step()
