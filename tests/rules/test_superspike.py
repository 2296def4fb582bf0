"""SuperSpike against its catalogue page's numbers: traces, loss, online recursion, RMaxProp; and refusals."""

import math
from itertools import pairwise

import pytest
import torch

from snnbench.build import build_model, instantiate
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.filters import causal_filter, decay_then_follow, synapse_then_membrane
from snnbench.models.cuba_mlp import CubaMLP, LeakyCubaMLP
from snnbench.models.parts import Parts
from snnbench.neurons.cuba_lif import CubaLIF
from snnbench.neurons.lif import LIF
from snnbench.norms.none import NoNorm
from snnbench.objectives.mean_ce import MeanCE
from snnbench.objectives.van_rossum import VanRossum
from snnbench.rules.base import Batch
from snnbench.rules.superspike import FEEDBACK, SuperSpike, three_factors
from snnbench.surrogates.fast_sigmoid import FastSigmoid
from snnbench.synapses.plain import Plain
from snnbench.train.optim import rmaxprop
from tests.tiny import site

F64 = torch.float64
ALPHA, RATE = math.exp(-1 / 5), 0.1  # dt 1 ms, tau 5 and 10 ms


def cuba(**changes) -> CubaLIF:
    return CubaLIF(site(), FastSigmoid(10.0), **changes)


def parts(time_steps: int = 40) -> Parts:
    return Parts(lambda s, **c: CubaLIF(s, FastSigmoid(10.0), **c), NoNorm, Plain(), time_steps)


def net(hidden=(6, 5), model=CubaMLP, steps=40, **changes):
    torch.manual_seed(3)
    return model(parts(steps), (1, 2, 4), 3, hidden=list(hidden), weight_scale=12.0, **changes).double()


def batch(steps=40, samples=4):
    torch.manual_seed(5)
    return (torch.rand(steps, samples, 1, 2, 4) < 0.3).to(F64)


def follow_filter(x_seq, decay=ALPHA, rate=RATE):
    """decay, add, follow, one step after the other: what the released code does to every trace."""
    x, y, out = torch.zeros_like(x_seq[0]), torch.zeros_like(x_seq[0]), []
    for x_t in x_seq:
        x = decay * x + x_t
        y = y + rate * (x - y)
        out.append(y)
    return torch.stack(out)


def train_once(rule, model, x_seq, objective, target):
    rule.prepare(model)
    return rule.train_batch(model, Batch(x_seq, target, lambda s: objective(s, target), zero_grad=model.zero_grad))


def test_double_exponential_of_one_spike():
    """superspike page, check 2; the closed form peaks at 0.25 after 6.931 ms."""
    k = decay_then_follow(200, math.exp(-0.1 / 5), 0.1 / 10)
    found = [k[n] for n in (0, 1, 10, 50, 100)]
    assert found == pytest.approx([0.01, 0.0197020, 0.0947009, 0.2431927, 0.2343729], abs=5e-8)
    assert (max(k), k.index(max(k))) == (pytest.approx(0.2532907, abs=5e-8), 68)
    fine = decay_then_follow(20_000, math.exp(-0.001 / 5), 0.001 / 10)
    assert max(fine) == pytest.approx(0.25, abs=1e-4)
    assert fine.index(max(fine)) * 0.001 == pytest.approx(6.931, abs=0.01)


def test_rmaxprop():
    """superspike page, check 4, descending: the page's g is minus the gradient."""
    model = torch.nn.Linear(1, 1, bias=False).double()
    torch.nn.init.zeros_(model.weight)
    optimizer = rmaxprop(model, lr=1e-3, gamma=0.9834715)
    wanted_v = [0.04, 0.0393389, 0.09, 0.0885124, 0.0870494]
    wanted_step = [1e-3, -5.0418e-4, 1e-3, 0, 1.69468e-4]
    for g, v, step in zip([0.2, -0.1, 0.3, 0, 0.05], wanted_v, wanted_step):
        before = model.weight.item()
        model.weight.grad = torch.full_like(model.weight, -g)
        optimizer.step()
        assert optimizer.state[model.weight]["v"].item() == pytest.approx(v, abs=1e-7)  # the page cuts 0.08704946
        assert model.weight.item() - before == pytest.approx(step, abs=5e-9)


def test_rmaxprop_clips_and_its_first_step_ignores_scale():
    model = torch.nn.Linear(3, 1, bias=False)
    torch.nn.init.constant_(model.weight, 0.05)
    model.weight.grad = torch.tensor([[1e-6, -3.0, 0.0]])
    rmaxprop(model, lr=0.06, w_max=0.1).step()
    torch.testing.assert_close(model.weight.data, torch.tensor([[-0.01, 0.1, 0.05]]))


def test_coarse_online_case():
    """superspike page, check 5: the recursion, and the same sum made of the loss's gradient."""
    spike = torch.eye(6, 1, dtype=F64)
    slope = FastSigmoid(1.0).derivative(torch.tensor([-5.0, -3, -1, 0.5, -2, -1], dtype=F64)).unsqueeze(1)
    error = torch.tensor([0.0, 0, 0, 1, -1, 0], dtype=F64).unsqueeze(1)
    psp = follow_filter(spike)
    elf, ef = follow_filter(slope * psp), follow_filter(error)
    assert psp.flatten().tolist() == pytest.approx(
        [0.1, 0.1718731, 0.2217178, 0.2544272, 0.2739173, 0.2833135], abs=5e-8
    )
    wanted = [0.0002778, 0.0015516, 0.0080051, 0.0239232, 0.0382624, 0.0552176]
    assert elf.flatten().tolist() == pytest.approx(wanted, abs=5e-8)
    assert ef.flatten().tolist() == pytest.approx([0, 0, 0, 0.1, 0.0718731, 0.0498447], abs=5e-8)
    assert (elf * ef).sum().item() == pytest.approx(0.007894653, abs=5e-10)

    output = torch.zeros(6, 1, 1, dtype=F64, requires_grad=True)  # target minus output is the error
    loss, _ = VanRossum(5.0, 10.0)(output, error.view(1, 6, 1))
    loss.backward()
    learning = slope.unsqueeze(2) * -output.grad
    assert three_factors(learning, psp.unsqueeze(2)).item() == pytest.approx(0.007894653, abs=5e-10)


@pytest.mark.parametrize("feedback", ["symmetric", "random", "uniform"])
def test_gradients_are_the_online_recursions_sums(feedback):
    """The rule's one product a layer against el, elf, ef and G of every synapse, step by step, two hidden layers."""
    model, rule, x_seq = net(), SuperSpike(feedback), batch()
    objective = VanRossum(5.0, 10.0, first=6, period=7)
    trains = (torch.rand(4, 40, 3) < 0.2).to(F64)
    for synapse in model.synapses():
        synapse.bias = torch.nn.Parameter(torch.full((len(synapse.weight),), 0.02, dtype=F64))
    output, loss, found = train_once(rule, model, x_seq, objective, trains)
    assert output.sum() > 0
    assert loss == found["van_rossum"]

    units, inputs, potentials, spikes = model.units(), [], [], x_seq.flatten(2)
    with torch.no_grad():
        for unit in units:
            inputs.append(spikes)
            spikes, u = unit.neuron.potentials(unit.synapse(spikes))
            potentials.append(u)
    assert torch.equal(spikes, output)
    assert torch.equal(spikes, model(x_seq))
    error = [trains.transpose(0, 1) - spikes]
    for index in (1, 0):
        if feedback == "symmetric":
            back = units[index + 1].synapse.weight.detach()
            error.append(error[-1] @ back)
        else:
            ones = torch.ones(3, len(units[index].synapse.weight), dtype=F64)
            error.append(error[0] @ (units[index].get_buffer(FEEDBACK).double() if feedback == "random" else ones))
    for unit, x, u, e in zip(units, inputs, potentials, reversed(error)):
        slope = FastSigmoid(10.0).derivative(u - 1)
        ones = torch.ones_like(x[..., :1])
        psp = follow_psp(torch.cat([x, ones], 2))
        eligibility = follow_filter(slope.unsqueeze(3) * psp.unsqueeze(2))
        g = (eligibility * follow_filter(e).unsqueeze(3)).sum(0).mean(0)
        torch.testing.assert_close(-unit.synapse.weight.grad, g[:, :-1], rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(-unit.synapse.bias.grad, g[:, -1], rtol=1e-9, atol=1e-12)
        assert g.abs().sum() > 0


def follow_psp(x_seq):
    """The neuron's own double filter, step by step: what the weight of each line adds to U without a reset."""
    alpha, beta = math.exp(-1 / 5), math.exp(-1 / 10)
    current, u, out = torch.zeros_like(x_seq[0]), torch.zeros_like(x_seq[0]), []
    for x_t in x_seq:
        out.append(u)
        current, u = alpha * current + x_t, beta * u + current
    return torch.stack(out)


def test_one_layer_without_resets_is_the_surrogate_gradient():
    """superspike page, check 6: autograd through U = sum_j w_j psp_j, where nothing resets."""
    model, x_seq = net(hidden=()), batch()
    synapse = model.synapses()[0]
    synapse.weight.data.mul_(0.05)  # below threshold: the reset path is empty
    objective, target = VanRossum(first=6, period=7), torch.tensor([0, 1, 2, 1])
    train_once(SuperSpike(), model, x_seq, objective, target)
    found, synapse.weight.grad = synapse.weight.grad, None
    spikes = model(x_seq)
    assert spikes.sum() == 0
    objective(spikes, target)[0].backward()
    torch.testing.assert_close(found, synapse.weight.grad, rtol=1e-9, atol=1e-12)
    assert found.abs().sum() > 0


def test_perfect_output_has_no_gradient():
    """superspike page, check 7."""
    model, x_seq = net(), batch()
    trains = model(x_seq).detach().transpose(0, 1)
    assert trains.sum() > 0
    _, loss, _ = train_once(SuperSpike(), model, x_seq, VanRossum(), trains)
    assert loss == 0
    assert all(synapse.weight.grad.abs().sum() == 0 for synapse in model.synapses())


def test_neuron_by_hand():
    """Output before the update, old current, hard reset that takes the step's current with it."""
    neuron, (alpha, beta) = cuba(), (math.exp(-1 / 5), math.exp(-1 / 10))
    spikes, u = neuron.potentials(torch.tensor([1.2, 0, 0, 0, 0], dtype=F64).view(5, 1, 1))
    assert spikes.flatten().tolist() == [0, 0, 1, 0, 0]
    third = 1.2 * alpha**2  # what is left after the reset is the current of the step itself
    assert u.flatten().tolist() == pytest.approx([0, 0, 1.2, 0, third])
    assert (neuron.alpha, neuron.beta) == (alpha, beta)
    at_threshold = torch.tensor([1.0, 0, 0], dtype=F64).view(3, 1, 1)
    assert neuron(at_threshold).sum() == 0
    assert cuba(strict=False)(at_threshold).flatten().tolist() == [0, 0, 1]


def test_response_is_the_neuron_below_threshold():
    x = torch.rand(30, 2, 3, dtype=F64)
    _, u = cuba(v_th=1e9).potentials(x)
    torch.testing.assert_close(cuba().response(x), u, rtol=1e-12, atol=1e-12)
    assert synapse_then_membrane(3, 0.5, 0.9) == (0, 0, 1)
    k = decay_then_follow(30, ALPHA, RATE)
    torch.testing.assert_close(causal_filter(k, x), follow_filter(x), rtol=1e-12, atol=1e-14)


def test_leaky_readouts_score_is_its_maximum_over_time():
    """spytorch: NLL of log-softmax of max over t, the initial 0 included, loss and gradient."""
    model, potential, x_seq = net(model=LeakyCubaMLP), net(model=LeakyCubaMLP, readout="mean"), batch()
    target = torch.tensor([0, 1, 2, 1])
    recorded = potential(x_seq)
    largest = torch.cat([torch.zeros_like(recorded[:1]), recorded]).max(0).values  # a tie goes to the first
    torch.testing.assert_close(model(x_seq).mean(0), largest)
    assert (largest == 0).any() or (recorded.amin(0) < 0).any()
    loss, _ = MeanCE()(model(x_seq), target)
    loss.backward()
    wanted = torch.nn.functional.cross_entropy(largest, target)
    wanted.backward()
    torch.testing.assert_close(loss, wanted)
    for a, b in zip(model.parameters(), potential.parameters()):
        torch.testing.assert_close(a.grad, b.grad)


def test_published_size_and_initial_weights():
    model = LeakyCubaMLP(parts(100), (1, 28, 28), 10)
    assert sum(p.numel() for p in model.parameters()) == 79_400
    scale = 7 * (1 - math.exp(-1 / 10))
    for synapse in model.synapses():
        assert synapse.weight.std().item() == pytest.approx(scale / synapse.in_features**0.5, rel=0.06)
    volts = CubaMLP(parts(), (1, 10, 20), 200, hidden=[256], weight_scale=0.05, scale_by_leak=False)
    assert volts.synapses()[0].weight.std().item() == pytest.approx(0.05 / 200**0.5, rel=0.03)


def test_rule_refuses_what_is_no_chain():
    config = compose(["method=superspike"]).config
    assert instantiate(config["rule"]).feedback == "symmetric"
    build_model(config)
    lif = Parts(lambda s, **c: LIF(s, FastSigmoid(10.0), **c), NoNorm, Plain(), 10)
    nets = [LeakyCubaMLP(parts(), (1, 2, 2), 3), torch.nn.Sequential(net(), torch.nn.Dropout(0.5))]
    nets.append(torch.nn.Sequential(*[lif.linear_unit(i, o) for i, o in pairwise((4, 5, 3))]))
    for built in nets:
        with pytest.raises(ConfigError, match="rule=superspike needs a chain of linear layers"):
            SuperSpike().prepare(built)
    with pytest.raises(ConfigError, match=r"model\.hidden=\[0\]"):
        CubaMLP(parts(), (1, 2, 2), 3, hidden=[0])
