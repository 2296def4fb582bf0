"""rule=dspike: the choice of temperature (checks 5 and 6 of the dspike page), and that searching leaves no trace."""

import copy

import pytest
import torch
from torch import nn

from snnbench.build import build_model, instantiate
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.neurons.lif import LIF
from snnbench.rules.bptt import BPTT
from snnbench.rules.dspike import TemperatureSearch, best, candidates, finite_differences, temperatures
from snnbench.site import Site
from snnbench.surrogates.dspike import Dspike

SMALL = [
    "method=dspike", "norm=bn", "model=spiking_resnet_tiny", "model.widths=[4,4,4]", "model.stem_width=4", "T=3",
    "surrogate.b=1", "norm.momentum=1.0",
]  # fmt: skip


class OneSynapse(nn.Module):
    """The neuron of check 4 behind one weight of 1: `[T, N, 1] -> [T, N, 1]`."""

    def __init__(self, b: float = 3.0):
        super().__init__()
        self.synapse = nn.Linear(1, 1, bias=False).double()
        nn.init.ones_(self.synapse.weight)
        self.neuron = LIF(Site(1, 4), Dspike(b), tau=2.0, decay_input=False, v_th=0.5, detach_reset=False)

    def synapses(self):
        return [self.synapse]

    def forward(self, x_seq):
        return self.neuron(self.synapse(x_seq))


X = torch.tensor([0.3, 0.4, 0.2, 0.6], dtype=torch.double).view(4, 1, 1)


def squared(spikes):
    """L = (number of spikes - 1)^2."""
    loss = (spikes.sum() - 1).square()
    return loss, {}


@pytest.mark.parametrize(("eps", "expected"), [(0.1, 5.0), (0.01, 0.0)])
def test_finite_difference_of_the_toy(eps, expected):
    """Check 5: L(1.1) = 1 (two spikes), L(0.9) = 0 (one spike); a step of 0.01 crosses no threshold."""
    net = OneSynapse()
    found = finite_differences(net.synapse.weight, torch.tensor([0]), eps, lambda: squared(net(X))[0])
    assert found.tolist() == pytest.approx([expected])
    assert net.synapse.weight.item() == 1


def test_finite_differences_are_the_gradient_where_there_is_one():
    torch.manual_seed(0)
    weight, x = nn.Parameter(torch.randn(3, 2, 3, 3, dtype=torch.double)), torch.randn(4, 2, 5, 5, dtype=torch.double)
    weight.data = weight.data.to(memory_format=torch.channels_last)

    def loss():
        return torch.tanh(nn.functional.conv2d(x, weight)).square().sum()

    (gradient,) = torch.autograd.grad(loss(), weight)
    before, positions = weight.detach().clone(), torch.tensor([0, 7, 20, 53])
    found = finite_differences(weight, positions, 1e-5, loss)
    torch.testing.assert_close(found, gradient.flatten()[positions], rtol=1e-6, atol=1e-7)
    assert torch.equal(weight, before)


def test_three_candidates_of_which_the_most_similar_wins():
    """Check 6; b does not fall below b_min, and a tie or no direction keeps the present one."""
    assert candidates(3.0, 0.5, 0.2) == [3.0, 3.5, 2.5]
    assert candidates(0.4, 0.5, 0.2) == [0.4, 0.9, 0.2]
    assert candidates(3.0, 0.0, 0.2) == [3.0]
    assert best([3.0, 3.5, 2.5], [0.1, 0.2, 0.3]) == 2.5
    assert best([3.0, 3.5, 2.5], [-0.1, -0.2, -0.3]) == 3.0
    assert best([3.0, 3.5, 2.5], [0.1, 0.1, 0.1]) == 3.0
    assert best([3.0, 3.5, 2.5], [float("nan")] * 3) == 3.0


def configured(*overrides):
    config = compose([*SMALL, *overrides]).config
    torch.manual_seed(0)
    model, rule = build_model(config)
    x_seq, objective = torch.rand(3, 32, 1, 8, 8), instantiate(config["objective"])
    return model, rule, x_seq, lambda logits: objective(logits, torch.arange(32) % 10)


def test_the_choice_is_the_argmax_of_the_cosine():
    """Against the definition, with autograd of a copy at each temperature and differences by hand."""
    model, rule, x_seq, loss_of = configured("rule.eps=0.05", "rule.db=0.5")
    model(x_seq)  # statistics that let spikes through
    weight, similar = model.synapses()[0].weight, {}
    model.eval()
    measured = torch.zeros_like(weight)
    with torch.no_grad():
        for i in range(weight.numel()):
            up, down = weight.clone(), weight.clone()
            up.view(-1)[i] += 0.05
            down.view(-1)[i] -= 0.05
            high, low = (
                loss_of(torch.func.functional_call(model, {"stem.0.synapse.weight": w}, x_seq))[0] for w in (up, down)
            )
            measured.view(-1)[i] = (high - low) / 0.1
    assert measured.norm() > 0
    for b in (1.0, 1.5, 0.5):
        for surrogate in temperatures(model):
            surrogate.b.fill_(b)
        (gradient,) = torch.autograd.grad(loss_of(model(x_seq))[0], weight)
        similar[b] = nn.functional.cosine_similarity(gradient.flatten(), measured.flatten(), dim=0).item()
    for surrogate in temperatures(model):
        surrogate.b.fill_(1.0)
    model.train()
    rule.before_epoch(model, x_seq, loss_of)
    assert len(set(similar.values())) == 3
    assert rule.reported(model) == {"surrogate_b": max(similar, key=similar.get)}


def test_searching_changes_nothing_but_b():
    model, rule, x_seq, loss_of = configured()
    model.stages[0].eval()  # a mode that somebody chose
    modes = [module.training for module in model.modules()]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    generator = torch.get_rng_state()
    rule.before_epoch(model, x_seq, loss_of)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items() if not n.endswith("surrogate.b"))
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), generator)


def test_all_neurons_share_the_choice_and_the_state_dict_holds_it():
    model, *_ = configured()
    held = [name for name in model.state_dict() if name.endswith("surrogate.b")]
    assert len(held) == len(model.neurons())
    assert len(temperatures(model)) == 1
    temperatures(model)[0].b.fill_(2.25)
    other, *_ = configured()
    other.load_state_dict(model.state_dict())
    assert temperatures(other)[0].b.item() == 2.25


def test_kernels_get_the_present_b():
    """Written in place, loaded, or moved with the module: a kernel's number must never be an older one."""
    surrogate, other = Dspike(1.0), Dspike(2.5, half_width=1.0)
    assert surrogate.kernel_form().p0 == 1.0
    surrogate.b.fill_(3.0)
    assert (surrogate.kernel_form().p0, surrogate.kernel_form().p1) == (3.0, 0.5)
    surrogate.load_state_dict(other.state_dict())
    assert surrogate.kernel_form().p0 == 2.5
    surrogate.b = torch.tensor(4.0, dtype=torch.double)
    assert surrogate.kernel_form().p0 == 4.0
    assert copy.deepcopy(surrogate).kernel_form().p0 == 4.0


def test_the_rule_says_whether_a_captured_graph_is_stale():
    model, rule, x_seq, loss_of = configured()
    before = temperatures(model)[0].b.item()
    for _ in range(2):
        stale = rule.before_epoch(model, x_seq, loss_of)
        assert stale == (temperatures(model)[0].b.item() != before)
        before = temperatures(model)[0].b.item()


def test_one_candidate_is_bptt():
    """Check 6: without a step the method is a fixed surrogate; nothing is previewed."""
    rule = TemperatureSearch(db=0.0)
    assert rule.previewed == 0
    assert type(rule).train_batch is BPTT.train_batch
    assert TemperatureSearch().previewed is None
    assert TemperatureSearch(samples=8).previewed == 8


def test_probed_weights_depend_on_the_seed_only_and_draw_nothing():
    _, rule, *_ = configured("rule.weights=5")
    torch.rand(7)
    _, again, *_ = configured("rule.weights=5")
    assert torch.equal(rule.positions, again.positions)
    assert len(rule.positions.unique()) == 5
    model, *_ = configured()
    torch.manual_seed(1)
    other, state = TemperatureSearch(weights=5), torch.get_rng_state()
    other.prepare(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(other.positions, rule.positions)


def test_a_temperature_below_the_least_is_refused():
    with pytest.raises(ConfigError, match=r"surrogate\.b=0\.1 must not lie below rule\.b_min=0\.2"):
        configured("surrogate.b=0.1")
