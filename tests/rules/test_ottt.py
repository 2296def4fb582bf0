"""OTTT: the numbers of the catalogue page, exactness where theory says so, constant memory, the released mechanics."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from snnbench.errors import ConfigError
from snnbench.neurons.integrate_fire import IF
from snnbench.neurons.lif import LIF
from snnbench.neurons.relu import ReLU
from snnbench.objectives.per_step import PerStep
from snnbench.rules.base import Batch, Rule
from snnbench.rules.bptt import BPTT
from snnbench.rules.ottt import OTTT
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.synapses.plain import Plain
from tests.tiny import ConvNet, column, flat, gradients, most_saved, ottt_lif, site, spiking_mlp, spikingjelly

F64 = torch.float64
AS_DERIVED = {"trace_first": True, "trace_readout": False}


def train(rule: Rule, net: nn.Module, x_seq, target, lr: float = 0.0):
    """One batch with plain SGD; returns the rule's outcome (gradients stay on the parameters)."""
    objective, optimizer = PerStep(0.05), torch.optim.SGD(net.parameters(), lr)
    rule.prepare(net)
    calls = {"optimizer_step": optimizer.step, "zero_grad": optimizer.zero_grad}
    return rule.train_batch(net, Batch(x_seq, target, lambda logits: objective(logits, target), **calls))


def batch(*shape: int, classes: int = 3):
    generator = torch.Generator().manual_seed(2)
    x_seq = (torch.rand(*shape, dtype=F64, generator=generator) < 0.5).to(F64)
    return x_seq, torch.randint(classes, (shape[1],), generator=generator)


def compare(net: nn.Module, rule: Rule, x_seq, target) -> list[tuple[float, float]]:
    """(relative difference, cosine) of each weight's gradient between the rule and BPTT."""
    other = copy.deepcopy(net)
    train(rule, net, x_seq, target)
    train(BPTT(), other, x_seq, target)
    found = []
    for a, b in zip(net.parameters(), other.parameters()):
        if a.dim() > 1:
            g, h = a.grad.flatten(), b.grad.flatten()
            found.append((((g - h).norm() / h.norm()).item(), F.cosine_similarity(g, h, dim=0).item()))
    return found


def test_exact_for_one_hidden_layer():
    """Page, check 1: with a soft detached reset the rule as derived is BPTT."""
    differences = compare(spiking_mlp(10, 16, 3), OTTT(**AS_DERIVED), *batch(8, 4, 10))
    assert all(difference < 1e-14 for difference, _ in differences)


def test_inexact_with_the_reset_in_the_graph_or_as_released():
    (hidden, cosine), _ = compare(spiking_mlp(10, 16, 3, detach_reset=False), OTTT(**AS_DERIVED), *batch(8, 4, 10))
    assert hidden > 0.01
    assert cosine > 0.9
    (hidden, _), (readout, _) = compare(spiking_mlp(10, 16, 3), OTTT(), *batch(8, 4, 10))
    assert hidden > 0.01  # instantaneous first input
    assert readout > 0.01  # trace at the readout


@pytest.mark.parametrize("made", [lambda: spiking_mlp(10, 16, 12, 3), lambda: ConvNet().double()], ids=["mlp", "conv"])
def test_two_hidden_layers_top_exact_lower_close(made):
    """Page, check 2; the convolutions are weight-standardised, with gains of their own."""
    net = made()
    x_seq, target = batch(8, 4, 10) if isinstance(net, nn.Sequential) else batch(8, 4, 2, 8, 8)
    found = compare(net, OTTT(**AS_DERIVED), x_seq, target)
    half = (len(found) - 1) // 2  # weights (and gains) of the lower layer, of the top one, and the readout's
    assert all(difference < 1e-13 for difference, _ in found[half:])
    assert all(difference > 1e-3 and cosine > 0.8 for difference, cosine in found[:half])


def test_as_released_the_readout_learns_from_the_trace_of_its_input():
    """dW = sum_t (softmax(y_t) - target) / (T N) a_t, with a_t = 0.5 a_(t-1) + s_t of the layer below."""
    net, (x_seq, target) = spiking_mlp(10, 16, 3), batch(6, 4, 10)
    objective, trace, expected, rule = PerStep(0.0), 0, 0, OTTT()
    rule.prepare(net)
    logits, loss, _ = rule.train_batch(net, Batch(x_seq, target, lambda y: objective(y, target)))
    torch.testing.assert_close((logits, loss), (net(x_seq).detach(), objective(net(x_seq), target)[0].detach()))
    for y, spikes in zip(logits, net[:-1](x_seq)):
        trace = 0.5 * trace + spikes
        expected = expected + (y.softmax(1) - F.one_hot(target, 3)).T @ trace / (len(x_seq) * len(y))
    torch.testing.assert_close(net[-1].weight.grad, expected)


def test_without_leak_or_time_all_rules_agree():
    """Page, check 3: lam -> 0, or T = 1."""
    for net, tau, steps in [
        (spiking_mlp(10, 16, 12, 3, tau=1 + 1e-9), 1 + 1e-9, 6),
        (spiking_mlp(10, 16, 12, 3), 2.0, 1),
    ]:
        assert all(d < 1e-7 for d, _ in compare(net, OTTT(tau=tau), *batch(steps, 4, 10)))


def chain() -> nn.Sequential:
    """x -> A -> B with weights .7, .8 (page, check 4); the output is B's spikes."""
    net = nn.Sequential(*(layer for _ in range(2) for layer in (Plain().linear(1, 1, bias=False), ottt_lif())))
    net[0].weight.data.fill_(0.7)
    net[2].weight.data.fill_(0.8)
    return net.double()


@pytest.mark.parametrize(
    ("rule", "dw1", "dw2"),
    [(BPTT(), 2.1762752, 1.0587253), (OTTT(trace_first=True), 1.5177690, 1.0587253)],
    ids=["bptt", "ottt"],
)
def test_scalar_chain(rule, dw1, dw2):
    net, x_seq = chain(), column(1, 1, 1, 0, 1)
    rule.prepare(net)
    steps = 1 if isinstance(rule, BPTT) else 5  # OTTT divides each step's loss by T
    logits, loss, _ = rule.train_batch(net, Batch(x_seq, None, lambda s: (s.sum() * steps, {})))
    assert logits.flatten().tolist() == [0] * 5
    assert loss.item() == 0
    assert (net[0].weight.grad.item(), net[2].weight.grad.item()) == pytest.approx((dw1, dw2), abs=1e-7)


def saved_bytes(rule: Rule, time_steps: int) -> int:
    net, x_seq, target = ConvNet(), torch.rand(time_steps, 2, 2, 8, 8), torch.tensor([0, 2])
    rule.prepare(net)
    loss_of = lambda logits: PerStep(0.05)(logits, target)  # noqa: E731
    return most_saved(lambda backward: rule.train_batch(net, Batch(x_seq, target, loss_of, backward)))


def test_memory_does_not_grow_with_time():
    """Page, check 6."""
    assert len({saved_bytes(OTTT(), t) for t in (1, 2, 4, 8)}) == 1
    through_time = [saved_bytes(BPTT(), t) for t in (1, 2, 4, 8)]
    assert through_time[3] > 1.8 * through_time[2] > 3 * through_time[1]


def test_variant_o_steps_every_time_and_approaches_a():
    """Page, check 7: the displacement over lr goes to A's gradient, first order in lr."""
    x_seq, target = batch(6, 4, 10)
    reference = spiking_mlp(10, 16, 3)
    start = flat([p.detach() for p in reference.parameters()])
    train(OTTT("A"), reference, x_seq, target)
    accumulated = flat(gradients(reference))
    errors = []
    for lr in (1e-2, 1e-3, 1e-4):
        net = spiking_mlp(10, 16, 3)
        train(OTTT("O"), net, x_seq, target, lr)
        moved = (start - flat([p.detach() for p in net.parameters()])) / lr
        errors.append(((moved - accumulated).norm() / accumulated.norm()).item())
    assert errors[2] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.3)


def test_outside_a_walk_the_synapse_is_plain_and_nothing_enters_the_state_dict():
    net, twin = ConvNet(), ConvNet()
    OTTT().prepare(net)
    assert net.state_dict().keys() == twin.state_dict().keys()
    x_seq = torch.rand(3, 2, 2, 8, 8)
    assert torch.equal(net(x_seq), twin(x_seq))
    assert [s.mechanics is None for s in (net.conv1, net.conv2, net.readout)] == [True, False, False]


def test_bf16_autocast_keeps_fp32_gradients_close_to_fp32s():
    nets, x_seq, target = [ConvNet(), ConvNet()], torch.rand(5, 2, 2, 8, 8), torch.tensor([0, 2])
    train(OTTT(), nets[0], x_seq, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        train(OTTT(), nets[1], x_seq, target)
    a, b = (flat(gradients(net)) for net in nets)
    assert b.dtype == torch.float32
    assert F.cosine_similarity(a, b, dim=0) > 0.9


def test_time_constants_must_agree():
    with pytest.raises(ConfigError, match=r"rule\.tau=2\.0 must equal neuron\.tau=4\.0"):
        OTTT().prepare(nn.Sequential(Plain().linear(2, 2), LIF(site(), Sigmoid(), 4.0)))
    with pytest.raises(ConfigError, match="not IF; use neuron=lif_ottt"):
        OTTT().prepare(nn.Sequential(IF(site(), Sigmoid())))
    with pytest.raises(ConfigError, match="not ReLU"):
        OTTT().prepare(nn.Sequential(ReLU(site(), Sigmoid())))


@pytest.mark.peer
@pytest.mark.parametrize("decay_input", [False, True])
def test_gradients_equal_spikingjelly(decay_input):
    """Three linear layers: first instantaneous, hidden and readout traced."""
    layer, neuron, functional = (spikingjelly(module) for module in ("layer", "neuron", "functional"))
    ours = spiking_mlp(10, 16, 12, 3, decay_input=decay_input)
    linears = [nn.Linear(10, 16), nn.Linear(16, 12), nn.Linear(12, 3)]
    lifs = [neuron.OTTTLIFNode(tau=2.0, decay_input=decay_input) for _ in range(2)]
    theirs = layer.OTTTSequential(linears[0], lifs[0], linears[1], lifs[1], linears[2]).double()
    for mine, other in zip([m for m in ours if isinstance(m, nn.Linear)], linears):
        other.load_state_dict(mine.state_dict())
    x_seq, target = batch(6, 4, 10)
    logits, _, _ = train(OTTT(), ours, x_seq, target)
    for x_t, logits_t in zip(x_seq, logits):
        output = theirs(x_t)
        torch.testing.assert_close(output, logits_t)
        (PerStep(0.05)(output[None], target)[0] / len(x_seq)).backward()
        functional.detach_net(theirs)
    for a, b in zip(ours.parameters(), theirs.parameters()):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-13)
        assert a.grad.abs().sum() > 0
