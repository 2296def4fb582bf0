"""TEBN: the numbers of the catalogue page, SpikingJelly's class, walks, static sequences, a wrong T."""

import pytest
import torch
from torch import nn

from snnbench.errors import ConfigError
from snnbench.kernels import use
from snnbench.neurons.lif import LIF
from snnbench.norms.batch_norm import BatchNorm
from snnbench.norms.tdbn import TdBN
from snnbench.norms.tebn import TEBN
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.temporal import stepping
from tests.tiny import site, spikingjelly, walked

SCALES = (0.5, 2.0, -1.0, 1.25)


def images(*trailing: int) -> torch.Tensor:
    return torch.randn(4, 2, 3, *trailing, generator=torch.Generator().manual_seed(0)) * 3 + 1


def scaled_tebn(channels: int = 3) -> TEBN:
    norm = TEBN(site(channels))
    torch.manual_seed(3)
    nn.init.uniform_(norm.weight)
    nn.init.uniform_(norm.bias)
    norm.p.data = torch.tensor(SCALES)
    return norm


@pytest.mark.parametrize("other", [BatchNorm, TdBN], ids=["bn", "tdbn with alpha V_th = 1"])
def test_starts_as_a_batch_norm_over_time_and_batch(other):
    assert torch.equal(TEBN(site())(images(5, 5)), other(site())(images(5, 5)))


def test_toy_of_the_page():
    norm = TEBN(Site(1, 2)).double()
    norm.weight.data.fill_(1.5)
    norm.bias.data.fill_(0.1)
    norm.p.data = torch.tensor([0.5, 2.0], dtype=torch.double)
    y = norm(torch.tensor([[1.0, 3], [5, 7]], dtype=torch.double).unsqueeze(-1))
    assert y.flatten().tolist() == pytest.approx([-0.956230, -0.285410, 1.541639, 4.224918], abs=1e-6)


def test_gradients_of_the_page():
    """dL/dp[t] = sum g[t] (gamma xhat + beta); what enters the batch norm is p[t] g[t]."""
    norm, twin, x = scaled_tebn(), BatchNorm(site()), images(5, 5)
    twin.load_state_dict({k: v for k, v in norm.state_dict().items() if k != "p"})
    g = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    norm(a).backward(g)
    plain = twin(b)
    plain.backward(g * norm.p.detach().view(4, 1, 1, 1, 1))
    torch.testing.assert_close(norm.p.grad, (g * plain.detach()).sum((1, 2, 3, 4)))
    torch.testing.assert_close(a.grad, b.grad)
    torch.testing.assert_close(norm.weight.grad, twin.weight.grad)
    torch.testing.assert_close(norm.bias.grad, twin.bias.grad)


def test_a_second_walk_starts_at_step_0_again():
    norm, x = scaled_tebn().eval(), images(5, 6)
    assert torch.equal(walked(norm, x), walked(norm, x))
    torch.testing.assert_close(walked(norm, x), norm(x))


def test_static_sequence_is_normalised_once_and_scaled_each_step():
    calls = []

    class Counting(TEBN):
        def normalise(self, x):
            calls.append(x.shape[0])
            return super().normalise(x)

    norm = Counting(site())
    norm.load_state_dict(scaled_tebn().state_dict())
    x = images(5, 6)[0].to(memory_format=torch.channels_last).expand(4, -1, -1, -1, -1)
    y = norm(x)
    assert calls == [2]
    assert y[1].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, scaled_tebn()(x.contiguous()))


def test_another_length_is_refused():
    norm = TEBN(site())
    with pytest.raises(ConfigError, match=r"built for T=4 and got 6 steps.*set T=6"):
        norm(torch.randn(6, 2, 3, 5))
    with stepping(norm.eval()) as step:
        for x_t in torch.randn(4, 2, 3, 5):
            step(x_t)
        with pytest.raises(ConfigError, match="got 5 steps"):
            step(x_t)


def test_the_neuron_sees_scaled_currents():
    norm, neuron, x = scaled_tebn().eval(), LIF(site(), ATan()), images(5, 5)
    assert norm.kernel_form().steps is norm.p
    with use("reference"):
        expected = neuron(norm(x))
        assert torch.equal(neuron(x, norm), expected)
    assert expected.sum() > 0


@pytest.mark.peer
@pytest.mark.parametrize("trailing", [(7,), (5, 5), (2, 3, 4)], ids=["1d", "2d", "3d"])
def test_equal_to_spikingjelly(trailing):
    ours, theirs = scaled_tebn(), getattr(spikingjelly("layer"), f"TemporalEffectiveBatchNorm{len(trailing)}d")(4, 3)
    state = ours.state_dict()
    theirs.load_state_dict({("scale" if key == "p" else key): value for key, value in state.items()})
    x = images(*trailing)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    for _ in range(2):
        y, z = ours(a), theirs(b)
        torch.testing.assert_close(y, z, rtol=0, atol=1e-5)
    (y * x.cos()).sum().backward()
    (z * x.cos()).sum().backward()
    for got, want in [(a, b), (ours.p, theirs.scale), (ours.weight, theirs.weight), (ours.bias, theirs.bias)]:
        torch.testing.assert_close(got.grad, want.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=0, atol=1e-5)
