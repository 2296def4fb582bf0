"""What an objective sees of the network: the values and gradients of a plain loop, in a run and in a walk."""

import pytest
import torch
from torch.nn import functional as F
from unit_plugin.models import EchoNet
from unit_plugin.objectives import RMP

from snnbench.config.catalogue import options
from snnbench.errors import ConfigError
from snnbench.models.csnn import CSNN
from snnbench.norms.none import NoNorm
from snnbench.objectives.base import Objective
from snnbench.objectives.lessons import lessons
from snnbench.objectives.taps import Taps, outline
from snnbench.rules.base import Batch
from snnbench.rules.bptt import BPTT
from snnbench.rules.walk import walk_batch
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.temporal import stepping
from tests.contracts.components import class_of, lif_by_hand, made, parts_of
from tests.contracts.test_unit_plugin import ONE_STEP, plugin  # noqa: F401

T, N, V_TH = 4, 3, 0.3
# they compare one potential a step with a threshold that stays; other neurons show what they compare, or none
SHOWN = {
    "clif", "clif_survey", "cuba_lif", "first_spike", "if", "iir", "lif", "lif_dspike", "lif_ms", "lif_ottt",
    "lif_stbp", "lif_tdbn", "lif_tebn", "lif_tet", "plif", "srm",
}  # fmt: skip


def net(model=CSNN, **sizes):
    torch.manual_seed(0)
    return model(parts_of(T, norm=NoNorm, v_th=V_TH), (2, 8, 8), 5, **sizes).double()


def rmp(potentials):
    """The same as `RMP` does with its weight 1, of one tensor a layer."""
    distances = [torch.where(u >= V_TH, u - V_TH, u).square().mean() for u in potentials]
    return sum(distances) / len(distances)


def taught(model, objective, x_seq, target, train=lambda *a: BPTT().train_batch(*a)):
    """The outcome of a batch, and the gradients that it made."""
    objective.prepare(outline(model, x_seq))
    model.zero_grad()
    with lessons(model, objective, x_seq[0], x_seq) as lesson:
        outcome = train(model, Batch(x_seq, target, lambda logits: objective(logits, target, *lesson())))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(layer.watcher is None for layer in model.neurons().values())
    return outcome, [p.grad for p in model.parameters()]


def hand_net(model, x_seq):
    """Logits and potentials of the CSNN, layer by layer and step by step."""
    potentials = []
    for module in [*model.features, model.hidden]:
        if not hasattr(module, "synapse"):
            x_seq = module(x_seq)
            continue
        currents = torch.stack([module.synapse(x_t.unsqueeze(0)).squeeze(0) for x_t in x_seq])
        x_seq, potential = lif_by_hand(currents, V_TH)
        potentials.append(potential)
    return model.readout(x_seq), potentials


def test_values_and_gradients_are_those_of_a_loop():
    model, x_seq, target = net(width=4, hidden=6), 4 * torch.randn(T, N, 2, 8, 8).double(), torch.tensor([0, 4, 2])
    (_, loss, parts), gradients = taught(model, RMP(0.7), x_seq, target)
    model.zero_grad()
    logits, potentials = hand_net(model, x_seq)
    distance = rmp(potentials)
    expected = F.cross_entropy(logits.mean(0), target) + 0.7 * distance
    expected.backward()
    assert len(potentials) == len(model.neurons())
    torch.testing.assert_close(parts["distance"], distance.detach())
    torch.testing.assert_close(loss, expected.detach())
    for gradient, parameter in zip(gradients, model.parameters()):
        torch.testing.assert_close(gradient, parameter.grad)


def test_only_the_named_layers_are_seen():
    model, x_seq, target = net(width=4, hidden=6), 4 * torch.randn(T, N, 2, 8, 8).double(), torch.tensor([0, 4, 2])
    (_, _, parts), _ = taught(model, RMP(layers=["hidden.neuron"]), x_seq, target)
    torch.testing.assert_close(parts["distance"], rmp(hand_net(model, x_seq)[1][-1:]).detach())


@pytest.mark.parametrize("name", options("neuron"))
def test_a_neuron_shows_the_potential_that_it_compares_or_none(name):
    layer = made("neuron", name, Site(4, T), surrogate=ATan())
    model, x_seq = torch.nn.ModuleDict({"layer": layer}), (2 * torch.randn(T, N, 4, 3)).requires_grad_()
    plain = layer(x_seq)
    with Taps(model, ["layer"], ("potential", "features")) as taps:
        assert torch.equal(layer(x_seq), plain)
        seen = taps.values()
    assert name not in SHOWN or seen["potential"], "an objective that sees potentials would refuse this neuron"
    if not seen["potential"]:
        return
    potential = seen["potential"]["layer"]
    spikes = potential > layer.v_th if layer.strict else potential >= layer.v_th
    if "single_spike" not in class_of("neuron", name).traits:
        assert torch.equal(spikes, seen["features"]["layer"] > 0)
    (gradient,) = torch.autograd.grad(potential.sum(), x_seq)
    assert gradient.abs().sum() > 0
    with stepping(layer) as step, Taps(model, ["layer"], ("potential",)) as taps:
        for x_t in x_seq:
            step(x_t)
        torch.testing.assert_close(taps.values()["potential"]["layer"], potential)


class Watcher(Objective):
    """Keeps what it sees."""

    sees = ("current", "potential", "features")

    def forward(self, logits, target, seen):
        self.seen = [*getattr(self, "seen", []), seen]
        return F.cross_entropy(logits.mean(0), target)


@pytest.mark.parametrize("kind", [CSNN, EchoNet])
def test_a_walk_shows_each_loss_its_step_and_a_run_shows_all(kind):
    model, x_seq, target = net(kind), 4 * torch.randn(T, N, 2, 8, 8).double(), torch.tensor([0, 4, 2])
    run, walk = Watcher(), Watcher()
    taught(model, run, x_seq, target)
    taught(model, walk, x_seq, target, walk_batch)
    (whole,) = run.seen
    assert len(walk.seen) == T
    for signal in Watcher.sees:
        assert list(whole[signal]) == list(model.neurons())
        for name, expected in whole[signal].items():
            assert len(expected) == T
            torch.testing.assert_close(torch.cat([seen[signal][name] for seen in walk.seen]), expected)


@pytest.mark.parametrize("kind", [CSNN, EchoNet])
def test_a_forward_pass_without_a_loss_leaves_nothing_behind(kind):
    model, x_seq = net(kind), torch.randn(T, N, 2, 8, 8).double()
    with Taps(model, list(model.neurons()), Watcher.sees) as taps:
        model(x_seq)
        model(x_seq)
        assert {len(value) for layers in taps.values().values() for value in layers.values()} == {T}


def test_gradients_through_a_recurrent_layer_are_those_of_a_loop():
    model, x_seq = net(EchoNet), 4 * torch.randn(T, N, 2, 8, 8).double()
    model.echo.recurrent.weight.data.mul_(4)
    with Taps(model, ["echo.neuron"], ("potential",)) as taps:
        model(x_seq)
        rmp(taps.values()["potential"].values()).backward()
    found = model.echo.recurrent.weight.grad.clone()
    model.zero_grad()
    currents = model.linear(model.flatten(model.unit(x_seq)))
    rmp([lif_by_hand(currents, V_TH, model.echo.recurrent.weight)[1]]).backward()
    torch.testing.assert_close(found, model.echo.recurrent.weight.grad)


def test_a_name_that_is_no_layer_is_refused():
    objective = RMP(layers=["features.0"])
    with pytest.raises(ConfigError, match=r"features\.0 is no neuron layer with potential; there are features"):
        objective.prepare(outline(net(), torch.zeros(T, 1, 2, 8, 8).double()))


def test_a_signal_that_nobody_knows_is_refused():
    objective = RMP()
    objective.sees = ("potentials",)
    with pytest.raises(ConfigError, match=r"RMP\.sees has 'potentials'; what can be seen is current, potential"):
        objective.prepare(outline(net(), torch.zeros(T, 1, 2, 8, 8).double()))
