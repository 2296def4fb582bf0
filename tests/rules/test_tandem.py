"""Tandem learning: the page's numbers, the release's compound layer written out, refusals, the survey's defect."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from snnbench import kernels
from snnbench.errors import ConfigError
from snnbench.metrics.firing import FiringRates
from snnbench.metrics.operations import count_operations
from snnbench.models.csnn import CSNN
from snnbench.models.csnn_tandem import CSNNTandem
from snnbench.models.parts import Parts, Unit
from snnbench.neurons.integrate_fire import IF
from snnbench.neurons.lif import LIF
from snnbench.neurons.plif import PLIF
from snnbench.norms.batch_norm import BatchNorm
from snnbench.norms.tdbn import TdBN
from snnbench.objectives.kd_feature import FeatureDistillation
from snnbench.objectives.mean_ce import MeanCE
from snnbench.objectives.taps import Taps, outline
from snnbench.rules.base import Batch
from snnbench.rules.tandem import Tandem
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.synapses.plain import Plain
from snnbench.temporal import stepping
from tests.tiny import flat, gradients, most_saved

F64 = torch.float64
T = 4


def soft_if(where=None, **changes) -> IF:
    return IF(where or Site(2, T), ATan(), **{"reset": "soft"} | changes)


def norm(where: Site) -> BatchNorm:
    return BatchNorm(where, eps=1e-4, momentum=0.9)


def network(model=CSNNTandem, rule: Tandem | None = None, neuron=soft_if, norm=norm, seed=0, **shape):
    torch.manual_seed(seed)
    shape = {"width": 12, "hidden": 24} | shape
    net = model(Parts(neuron, norm, Plain(), T), (3, 8, 8), 10, **shape).double()
    (rule or Tandem()).prepare(net)
    return net


def lively(net):
    """The same network, its norms such that every layer fires, whatever the mode."""
    with torch.no_grad():
        for n in (m for m in net.modules() if isinstance(m, BatchNorm)):
            n.running_var.uniform_(0.2, 0.5)
            n.running_mean.normal_(0, 0.1)
            n.bias.normal_(1.5, 0.2)
    return net


def train(net, x_seq, target):
    objective = MeanCE(0.1)
    return Tandem().train_batch(net, Batch(x_seq, target, lambda y: objective(y, target), zero_grad=net.zero_grad))


class TestPage:
    """catalogue/tandem.md, checks 1, 2, 4, 5 and 6."""

    X = torch.tensor([(1, 0), (1, 1), (0, 1), (1, 0)], dtype=F64).view(4, 1, 2)

    def unit(self, neuron=None) -> Unit:
        unit = Unit(Plain().linear(2, 2), nn.Identity(), neuron or soft_if()).double()
        with torch.no_grad():
            unit.synapse.weight.copy_(torch.tensor([[0.6, -0.3], [0.5, 0.9]]))
            unit.synapse.bias.copy_(torch.tensor([0.2, -0.4]))
        Tandem().prepare(nn.Sequential(unit, Plain().linear(2, 2)))
        return unit

    def test_spikes_and_gradient(self):
        unit, x = self.unit(), self.X.clone().requires_grad_()
        spikes = unit(x)
        assert spikes[:, 0].T.tolist() == [[0, 1, 0, 0], [0, 1, 1, 0]]
        loss = 0.5 * (spikes.sum(0) - torch.tensor([2, 1])).square().sum()
        assert loss.item() == 1
        loss.backward()
        torch.testing.assert_close(unit.synapse.weight.grad, torch.tensor([[-3, -2], [3, 2]], dtype=F64))
        torch.testing.assert_close(unit.synapse.bias.grad, torch.tensor([-1, 1], dtype=F64))
        torch.testing.assert_close(x.grad, (torch.tensor([-1, 1], dtype=F64) @ unit.synapse.weight).expand(4, 1, 2))

    def test_leaky_neuron(self):
        leaky = LIF(Site(2, T), ATan(), tau=10.0, decay_input=False, reset="soft")  # leak 0.9
        assert self.unit(leaky)(self.X)[:, 0].T.tolist() == [[0, 0, 0, 1], [0, 1, 1, 0]]

    def test_count_is_the_floored_current(self):
        current = torch.rand(500, dtype=F64) * 1.5
        unit = Unit(Plain().linear(500, 500, bias=False), nn.Identity(), soft_if(Site(500, 8))).double()
        nn.init.eye_(unit.synapse.weight)
        Tandem().prepare(nn.Sequential(unit, Plain().linear(500, 2)))
        count = unit(current.expand(8, 1, -1)).sum(0)[0]
        torch.testing.assert_close(count, (8 * current).floor().clamp(max=8))

    @pytest.mark.parametrize("static", [True, False])
    @pytest.mark.parametrize("training", [True, False])
    def test_spikes_of_the_folded_norm_and_gradient_of_the_analogue_layer_at_the_counts(self, training, static):
        """The norm sees the counts; what fires has its running statistics in the weights, and a T-th of its bias."""
        unit = Unit(Plain().conv(2, 3, 5, 3, padding=1), norm(Site(5, T)), soft_if(Site(5, T))).double()
        lively(unit).train(training)
        Tandem().prepare(nn.Sequential(unit, Plain().linear(2, 2)))
        twin_conv, twin_norm = nn.Conv2d(3, 5, 3, padding=1, bias=False).double(), copy.deepcopy(unit.norm)
        twin_conv.load_state_dict(unit.synapse.state_dict())
        x = (torch.rand(1 if static else T, 2, 3, 6, 6, dtype=F64) < 0.4).double().requires_grad_()
        count = x.detach().expand(T, -1, -1, -1, -1).sum(0).requires_grad_()
        spikes, upstream = unit(x.expand(T, -1, -1, -1, -1)), torch.randn(2, 5, 6, 6, dtype=F64)
        (spikes.sum(0) * upstream).sum().backward()
        (twin_norm(twin_conv(count)[None])[0].relu() * upstream).sum().backward()
        for a, b in zip(unit.parameters(), [*twin_conv.parameters(), *twin_norm.parameters()], strict=True):
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-12)
        expected = T * count.grad[None] if static else count.grad.expand_as(x)
        torch.testing.assert_close(x.grad, expected, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(dict(unit.norm.named_buffers()), dict(twin_norm.named_buffers()))
        ratio = twin_norm.weight / (twin_norm.running_var + twin_norm.eps).sqrt()  # the release leaves eps out
        bias = (twin_norm.bias - twin_norm.running_mean * ratio) / T
        folded = [F.conv2d(x_t, twin_conv.weight * ratio.view(-1, 1, 1, 1), bias, padding=1) for x_t in x]
        assert torch.equal(spikes, soft_if(Site(5, T))(torch.stack(folded).expand(T, -1, -1, -1, -1)))
        assert 0.05 < spikes.mean() < 0.95


@pytest.mark.parametrize("training", [True, False])
def test_logits_are_the_readout_of_the_hidden_layers_counts(training):
    net, seen, target = lively(network()).train(training), [], torch.arange(5)
    net.hidden.register_forward_hook(lambda _module, _arguments, spikes: seen.append(spikes))
    logits, loss, _ = train(net, torch.randn(1, 5, 3, 8, 8, dtype=F64).expand(T, -1, -1, -1, -1), target)
    assert logits.shape == (T, 5, 10)
    torch.testing.assert_close(logits.mean(0), F.linear(seen[0].sum(0), net.readout.weight, net.readout.bias).detach())
    torch.testing.assert_close(loss, F.cross_entropy(logits.mean(0), target, label_smoothing=0.1))
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())


def test_memory_kept_for_the_backward_does_not_grow_with_time():
    def saved_bytes(time_steps: int) -> int:
        units = [Unit(Plain().conv(2, 8, 8, 3, padding=1), norm(Site(8, T)), soft_if(Site(8, T))) for _ in range(3)]
        net = nn.Sequential(*units, Plain().linear(2, 2))
        Tandem().prepare(net)
        return most_saved(lambda backward: backward(net[:3](torch.randn(time_steps, 2, 8, 8, 8)).sum()))

    assert saved_bytes(16) == saved_bytes(2)


def test_the_surveys_net_has_a_norm_in_every_hidden_layer():
    with torch.device("meta"):
        net = CSNNTandem(Parts(soft_if, norm, Plain(), T), (3, 32, 32), 10)
    assert sum(p.numel() for p in net.parameters()) == 17_542_026 - 2048 + 2 * 2048
    assert net.hidden.synapse.bias is None
    assert "hidden.synapse.bias" not in net.state_dict()


def test_names_copies_and_probes_stay():
    plain = CSNN(Parts(soft_if, norm, Plain(), T), (3, 8, 8), 10, width=12, hidden=24)
    net = lively(network(CSNN)).float().eval()
    assert net.state_dict().keys() == plain.state_dict().keys()
    assert net.neurons().keys() == plain.neurons().keys()
    x = torch.randn(2, 3, 8, 8).expand(T, -1, -1, -1, -1)
    with torch.no_grad(), FiringRates(net) as firing:
        logits = net(x)
    assert len(firing.rates()) == 7
    assert any(rate > 0 for rate in firing.rates().values())
    twin = copy.deepcopy(net)
    with torch.no_grad():
        twin.features[0].norm.bias.add_(1)  # the copy's neuron must see the copy's norm
        assert torch.equal(net(x), logits)
        assert not torch.equal(twin(x), logits)
    found = count_operations(net, [x])
    assert found["sop"] > 0
    assert found["per_layer"]["features.1.synapse"]["input"] == "spikes"


def test_gains_start_as_released_or_stay():
    gains = flat([m.weight for m in network(width=200).modules() if isinstance(m, BatchNorm)])
    assert gains.std().item() == pytest.approx(2, rel=0.1)
    assert gains.min() < 0
    kept = network(rule=Tandem(gain_std=None))
    assert all((m.weight == 1).all() for m in kept.modules() if isinstance(m, BatchNorm))


def test_survey_script_as_committed_trains_the_readout_only():
    net = lively(network(rule=Tandem(readout="spikes")))
    x_seq, target = torch.randn(3, 3, 8, 8, dtype=F64).expand(T, -1, -1, -1, -1), torch.arange(3)
    train(net, x_seq, target)
    trained = [name for name, p in net.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    assert trained == ["readout.weight", "readout.bias"]


def test_bf16_autocast_keeps_the_layers_gradient():
    x = (torch.rand(T, 16, 8, 8, 8) < 0.3).float()
    upstream, found = torch.randn(16, 8, 8, 8), []
    for half in (False, True):
        torch.manual_seed(0)
        unit = Unit(Plain().conv(2, 8, 8, 3, padding=1), norm(Site(8, T)), soft_if(Site(8, T)))
        Tandem().prepare(nn.Sequential(unit, Plain().linear(2, 2)))
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            spikes = unit(x.bfloat16() if half else x)
            (spikes.float().sum(0) * upstream).sum().backward()
        assert spikes.dtype == (torch.bfloat16 if half else torch.float32)
        found.append((spikes.float(), flat(gradients(unit))))
    assert found[1][1].dtype == torch.float32
    assert (found[0][0] == found[1][0]).float().mean() > 0.99
    assert F.cosine_similarity(found[0][1], found[1][1], dim=0) > 0.99


def test_fused_neuron_gives_the_same(caplog):
    pytest.importorskip("triton")
    if torch.cuda.is_available():
        pytest.skip("tests/kernels compile here")
    x_seq, target = torch.randn(2, 3, 4, 4).expand(T, -1, -1, -1, -1), torch.arange(2)
    found = []
    for mode in ("reference", "fused"):
        torch.manual_seed(0)
        net = CSNNTandem(Parts(soft_if, norm, Plain(), T), (3, 4, 4), 10, width=2, hidden=3)
        Tandem().prepare(net)
        with kernels.use(mode):
            found.append((train(net, x_seq, target)[0], flat(gradients(net))))
    assert "no fused kernel" not in caplog.text
    assert found[0][1].abs().sum() > 0
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"neuron": lambda where: soft_if(where, reset="hard")}, r"neuron\.reset=hard"),
            ({"neuron": lambda where: soft_if(where, amplitude=2.74)}, r"neuron\.amplitude=2\.74"),
            ({"neuron": lambda where: LIF(where, ATan(), reset="soft")}, r"neuron\.decay_input=true"),
            ({"neuron": lambda where: PLIF(where, ATan())}, "no analogue copy of PLIF"),
            ({"norm": type("PerStep", (TdBN,), {"forward": lambda self, x: x})}, "PerStep is none; use norm=bn"),
        ],
    )
    def test_when_prepared(self, change, match):
        with pytest.raises(ConfigError, match=match):
            network(**change)

    def test_no_chain_of_units(self):
        with pytest.raises(ConfigError, match="followed by one readout"):
            Tandem().prepare(nn.Sequential(Plain().linear(2, 2), soft_if(), Plain().linear(2, 2)))

    def test_walking_and_shortcuts(self):
        net = network()
        with pytest.raises(ConfigError, match="step by step"), stepping(net) as step:
            step(torch.randn(2, 3, 8, 8, dtype=F64))
        unit, x = net.features[1], torch.rand(T, 2, 12, 8, 8, dtype=F64)
        with pytest.raises(ConfigError, match="shortcut"):
            unit(x, residual=x)

    def test_currents_of_a_student(self):
        """Spikes of a tandem student may be compared with a teacher's, currents have no gradient there."""
        net, x_seq = network(norm=norm), torch.randn(T, 2, 3, 8, 8, dtype=F64)
        teacher = CSNNTandem(Parts(soft_if, norm, Plain(), T), (3, 8, 8), 10, width=12, hidden=24).double()
        with pytest.raises(ConfigError, match=r"objective\.student=current .* set objective\.student=rate"):
            FeatureDistillation().prepare(outline(net, x_seq), outline(teacher, x_seq))
        FeatureDistillation(student="rate").prepare(outline(net, x_seq), outline(teacher, x_seq))
        with Taps(net, ["features.0.neuron"], ("features",)) as taps:
            net(x_seq)
        taps.values()["features"]["features.0.neuron"].sum().backward()
        assert net.features[0].synapse.weight.grad.abs().sum() > 0

    def test_lagging_statistics_are_said(self, caplog):
        network(norm=BatchNorm)
        assert "norm.momentum=0.1" in caplog.text
