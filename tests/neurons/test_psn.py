"""The PSN family against its catalogue page's numbers and SpikingJelly's modules; layouts, precision, schedule."""

import pytest
import torch

from snnbench.errors import ConfigError
from snnbench.neurons.masked_psn import MaskedPSN
from snnbench.neurons.psn import PSN
from snnbench.neurons.sliding_psn import SlidingPSN
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.temporal import rows_of, stepping
from tests.tiny import assert_same_neuron, column, graded, site, spikingjelly, walked

F64 = torch.float64
X = column(0.9, 1.4, 0.8, 2.5)
W = torch.tensor([[0.5, -0.2, 0.1, 0], [0.4, 0.6, -0.3, 0.2], [0.1, 0.3, 0.8, -0.1], [-0.2, 0.2, 0.4, 0.9]], dtype=F64)


def with_page_weights(neuron):
    neuron = neuron.double()
    neuron.weight.data.copy_(W)
    return neuron


def potentials(neuron, x=X) -> list[float]:
    return neuron.potentials(x).flatten().tolist()


def test_psn_page_numbers():
    """psn page, check 1."""
    neuron, x = with_page_weights(PSN(site(1), ATan())), X.clone().requires_grad_()
    assert potentials(neuron) == pytest.approx([-0.75, 0.46, -0.1, 1.67])
    spikes = neuron(x)
    assert spikes.flatten().tolist() == [0, 1, 0, 1]
    spikes.sum().backward()
    db = torch.tensor([0.1526332, 0.3237914, 0.9101700, 0.0350565], dtype=F64)
    torch.testing.assert_close(neuron.bias.grad, db, atol=5e-7, rtol=0)  # the page printed fp32
    assert x.grad.flatten().tolist() == pytest.approx([0.2898389, 0.4438105, 0.6602845, 0.0052922], abs=5e-7)
    torch.testing.assert_close(neuron.weight.grad, torch.outer(neuron.bias.grad, X.flatten()))


@pytest.mark.parametrize(
    ("k", "lam", "h", "spikes"),
    [
        (2, 0.0, [-0.75, 0.46, -0.1, 1.67], [0, 1, 0, 1]),
        (2, 0.5, [-0.65, 0.33, -0.02, 1.62], [0, 1, 0, 1]),
        (2, 1.0, [-0.55, 0.20, 0.06, 1.57], [0, 1, 1, 1]),
        (4, 1.0, [-0.55, 0.20, 0.15, 1.67], [0, 1, 1, 1]),
    ],
)
def test_masked_page_numbers(k, lam, h, spikes):
    """psn page, check 2; the gradient of W is that of the masked matrix times the mask."""
    neuron, psn = with_page_weights(MaskedPSN(site(1), ATan(), k, masked_from=1.0)), PSN(site(1), ATan()).double()
    neuron.on_epoch(lam)
    assert potentials(neuron) == pytest.approx(h)
    assert neuron(X).flatten().tolist() == spikes
    psn.weight.data.copy_(neuron.masked_weight())
    for layer in (neuron, psn):
        layer(X).sum().backward()
    lag = torch.arange(4)[:, None] - torch.arange(4)
    mask = torch.where((lag >= 0) & (lag < k), 1.0, 1 - lam).double()
    torch.testing.assert_close(neuron.weight.grad, psn.weight.grad * mask, atol=1e-8, rtol=0)


@pytest.mark.parametrize("backend", ["gemm", "conv"])
@pytest.mark.parametrize(("k", "h"), [(2, [-0.1, 0.85, 0.5, 1.9]), (3, [-0.1, 0.85, 0.725, 2.25])])
def test_sliding_page_numbers(k, h, backend):
    """psn page, check 3."""
    neuron = SlidingPSN(site(1), ATan(), k, backend=backend).double()
    assert potentials(neuron) == pytest.approx(h)
    assert neuron(X).flatten().tolist() == [0, 1, 1, 1]
    assert sum(p.numel() for p in neuron.parameters()) == k + 1


def test_lif_without_reset_is_a_psn():
    """psn page, check 4: tau 2."""
    neuron = PSN(site(1), ATan()).double()
    lag = torch.arange(4)[:, None] - torch.arange(4)
    neuron.weight.data.copy_(torch.where(lag >= 0, 0.5 * 0.5 ** lag.clamp(min=0).double(), 0.0))
    neuron.bias.data.zero_()
    assert potentials(neuron) == pytest.approx([0.45, 0.925, 0.8625, 1.68125])


def test_parameter_counts_and_initial_values():
    """psn page, check 5, and the released initialisation."""
    for neuron in (PSN(site(), ATan()), MaskedPSN(site(), ATan(), 2)):
        assert sum(p.numel() for p in neuron.parameters()) == 20
        assert neuron.bias.tolist() == [-1.0] * 4
        assert 0 < neuron.weight.abs().max() <= 0.5
        assert all(p.no_weight_decay for p in neuron.parameters())
    assert SlidingPSN(site(), ATan(), 4).weight.tolist() == [0.125, 0.25, 0.5, 1.0]
    assert 0 < SlidingPSN(site(), ATan(), 4, exp_init=False).weight.abs().max() <= 0.5


def test_psn_sees_the_future_and_refuses_to_walk():
    neuron, x = PSN(site(), ATan()).double(), torch.randn(4, 5, 3, dtype=F64, requires_grad=True)
    neuron(x)[0].sum().backward()
    assert x.grad[3].abs().sum() > 0
    with stepping(neuron) as step, pytest.raises(ConfigError, match="sliding_psn"):
        step(x[0])
    with pytest.raises(ConfigError, match="T=4 and got 3"):
        neuron(x[:3])


def test_lambda_schedule():
    neuron = MaskedPSN(site(), ATan(), 2)
    found = []
    for epoch in range(0, 32, 2):
        neuron.on_epoch(epoch / 32)
        found.append(neuron.lam_now.item())
    assert found == [0.0, 0.5] + [1.0] * 14
    neuron.on_epoch(0.0)
    with stepping(neuron) as step, pytest.raises(ConfigError, match="lambda=0"):
        step(torch.randn(2, 3))
    neuron = MaskedPSN(site(), ATan(), 2, masked_from=0.0)
    neuron.on_epoch(0.0)
    assert neuron.lam == 1.0
    assert torch.equal(neuron.masked_weight(), neuron.weight * neuron.weight.new_ones(4, 4).tril().triu(-1))


MAKERS = {
    "psn": lambda: PSN(site(), ATan()),
    "masked": lambda: MaskedPSN(site(), ATan(), 2),
    "gemm": lambda: SlidingPSN(site(), ATan(), 3),
    "conv": lambda: SlidingPSN(site(), ATan(), 3, backend="conv"),
}


def gradients_of(neuron, x):
    weights = torch.linspace(-1, 1, x.numel(), dtype=x.dtype).view(x.shape)
    return graded(neuron, x, weights, list(neuron.parameters()))


@pytest.mark.parametrize("name", MAKERS)
def test_gradient_of_the_product_is_autograds(name):
    """Against H = W X + b written with einsum."""
    neuron, x = MAKERS[name]().double(), torch.randn(4, 2, 3, 5, dtype=F64) * 2
    found = gradients_of(neuron, x)
    written = {"psn": lambda: neuron.weight, "masked": lambda: neuron.masked_weight()}
    matrix, bias = written.get(name, lambda: neuron.time_matrix(4)), neuron.bias.view(-1, 1, 1, 1)
    neuron.potentials = lambda x: torch.einsum("ts,snci->tnci", matrix(), x) + bias
    torch.testing.assert_close(found, gradients_of(neuron, x))


@pytest.mark.parametrize("name", MAKERS)
def test_layouts_and_static_input_agree(name):
    neuron, x = MAKERS[name]().double(), torch.randn(4, 2, 3, 5, 6, dtype=F64) * 2
    last = x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    assert rows_of(last)[0].data_ptr() == last.data_ptr()
    torch.testing.assert_close(gradients_of(neuron, x), gradients_of(neuron, last))
    copies = [
        graded(f, x[0]) for f in (lambda x: neuron(x.expand(4, *x.shape)), lambda x: neuron(x.repeat(4, 1, 1, 1, 1)))
    ]
    torch.testing.assert_close(*copies)


@pytest.mark.parametrize("make", [MaskedPSN, SlidingPSN])
def test_causal_of_order_k(make):
    """psn page, check 6: s[2] with k = 2 depends on x[1] and x[2] alone; the walk is the run."""
    neuron, x = make(site(), ATan(), 2).double(), torch.randn(4, 5, 3, dtype=F64) * 3
    _, (gradient,) = graded(lambda x: neuron(x)[2], x)
    assert [bool(g.abs().sum() > 0) for g in gradient] == [False, True, True, False]
    assert torch.equal(walked(neuron, x), neuron(x))


@pytest.mark.peer
@pytest.mark.parametrize("steps", [3, 6])
@pytest.mark.parametrize("name", MAKERS)
def test_equals_spikingjelly(name, steps):
    peer, atan, where = spikingjelly("neuron"), spikingjelly("surrogate").ATan(2.0), Site(3, steps)
    ours, theirs = {
        "psn": lambda: (PSN(where, ATan()), peer.PSN(steps, atan)),
        "masked": lambda: (MaskedPSN(where, ATan(), 3, 1.0), peer.MaskedPSN(3, steps, 0.4, atan, "m")),
        "gemm": lambda: (SlidingPSN(where, ATan(), 4), peer.SlidingPSN(4, True, atan, "m")),
        "conv": lambda: (SlidingPSN(where, ATan(), 4, backend="conv"), peer.SlidingPSN(4, True, atan, "m")),
    }[name]()
    ours, theirs = ours.double(), theirs.double()
    ours.weight.data.uniform_(-0.6, 0.9)
    ours.bias.data.uniform_(-1.4, -0.2)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        other.data.copy_(mine.view_as(other))
    if name == "masked":
        ours.on_epoch(0.4)
    x = torch.randn(steps, 4, 3, 2, dtype=F64) * 3
    assert_same_neuron(ours, theirs, x, rtol=1e-6, atol=1e-7)  # their lambda is a float32 0.4
