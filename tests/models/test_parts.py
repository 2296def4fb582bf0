"""Units and projections: what may stand between synapse, norm and neuron, and in which order."""

import pytest
import torch
from torch import nn

from snnbench.attentions.base import Attention
from snnbench.build import build_model
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.kernels import dispatch, use
from snnbench.models.base import require_attended, require_norms_in_place
from snnbench.models.csnn import CSNN
from snnbench.models.layers import MaxPool2d
from snnbench.models.preact_resnet import PreActResNet
from snnbench.neurons.clif import CLIF
from snnbench.rules.tandem import Tandem

from .building import IF, make_parts

T, N = 2, 3


class Gate(nn.Module):
    """Halves the currents and says that it was there."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return 0.5 * x


class AtConv(Attention):
    def __init__(self, site):
        super().__init__(site)
        self.conv_post = Gate()


class AtPotential(Attention):
    def __init__(self, site):
        super().__init__(site)
        self.activate_pre = Gate()


def parts(attention=Attention, **values):
    torch.manual_seed(0)
    made = make_parts(**values)
    return type(made)(made.neuron_factory, made.norm_factory, made.synapse, T, attention)


class Shrink(nn.Module):
    """A norm behind the spikes."""

    place = "spikes"

    def __init__(self, site):
        super().__init__()
        self.weight = nn.Parameter(torch.full((), 0.5))

    def forward(self, spikes):
        return self.weight * spikes


@pytest.fixture
def x():
    return torch.randn(T, N, 2, 8, 8)


@pytest.mark.parametrize("layer", ["unit", "projection"])
@pytest.mark.parametrize("place", ["before_norm", "after_norm"])
def test_a_pool_means_the_same_in_a_unit_and_in_a_projection(x, layer, place):
    pool = MaxPool2d(2)
    made = getattr(parts(), layer)(2, 4, 3, pool=pool, pool_at=place)
    current = made.synapse(x)
    current = made.norm(pool(current)) if place == "before_norm" else pool(made.norm(current))
    expected = made.neuron(current) if layer == "unit" else current
    assert torch.equal(made(x), expected)
    assert made.extras() == ["a pool"]
    order = [name for name, _ in made.named_children()]
    assert (order.index("pool") < order.index("norm")) == (place == "before_norm")


def test_an_attention_stands_behind_norm_and_pool_and_before_the_residual(x):
    unit, residual = parts(AtConv).unit(2, 4, 3, pool=MaxPool2d(2)), torch.randn(T, N, 4, 4, 4)
    expected = unit.neuron(0.5 * unit.pool(unit.norm(unit.synapse(x))) + residual)
    assert torch.equal(unit(x, residual), expected)
    assert unit.attention.calls == 1


def test_a_model_says_which_projections_are_attended_and_which_units_are_not(x):
    made = parts(AtConv)
    assert made.projection(2, 4).attention is None
    assert made.projection(2, 4, attended=True).attention is not None
    assert made.unit(2, 4, attended=False).attention is None
    assert made.linear_unit(2, 4).attention is not None


def test_an_attention_is_told_where_it_stands():
    sites = []
    made = parts(lambda site: sites.append(site) or Attention(site), v_th=0.5)
    made.unit(2, 4), made.unit(2, 5, 1, dims=1), made.linear_unit(2, 6), made.projection(2, 7, attended=True)
    assert [(site.channels, site.dims) for site in sites] == [(4, 2), (5, 1), (6, 0), (7, 2)]
    assert sites[0].v_th == 0.5


def test_an_attention_of_the_potential_belongs_to_the_neuron(x):
    unit = parts(AtPotential).unit(2, 4)
    unit(x)
    assert unit.neuron.attention.calls == T
    assert unit.attention is None
    assert unit.extras() == ["an attention of the potential"]
    with pytest.raises(ConfigError, match="CLIF does not provide; use neuron=lif"):
        parts(AtPotential, neuron=CLIF).unit(2, 4)


def test_fused_passes_step_aside_for_attended_layers_alone(x, monkeypatch):
    fused = []
    run = lambda neuron, x_seq, norm, residual: fused.append(norm) or None  # noqa: E731
    monkeypatch.setattr(dispatch, "run", run)
    attended, plain = parts(AtConv).unit(2, 4), parts(AtConv).unit(4, 4, attended=False)
    pooled = parts().unit(4, 4, pool=MaxPool2d(2), pool_at="before_norm")
    with use("fused"):
        pooled(plain(attended(x)))
    assert fused == [None, plain.norm, pooled.norm]


def test_without_attention_no_layer_has_one_and_nothing_is_drawn_for_it():
    assert parts().unit(2, 4).extras() == []
    plain, attended = (CSNN(parts(kind), (1, 8, 8), 10, width=4, hidden=8) for kind in (Attention, AtConv))
    assert plain.state_dict().keys() == attended.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), attended.parameters()))


def test_an_attention_that_finds_no_layer_is_refused():
    model = CSNN(parts(), (1, 8, 8), 10, width=4, hidden=8)
    with pytest.raises(ConfigError, match="finds no layer of CSNN"):
        require_attended(model)
    for kind in (AtConv, AtPotential):
        require_attended(CSNN(parts(kind), (1, 8, 8), 10, width=4, hidden=8))


def test_a_norm_behind_the_spikes_reads_what_the_neuron_gives(x):
    unit, residual = parts(norm=Shrink).unit(2, 4), torch.randn(T, N, 4, 8, 8)
    assert torch.equal(unit(x, residual), 0.5 * unit.neuron(unit.synapse(x) + residual))
    assert set(unit.state_dict()) == {"synapse.weight", "synapse.bias", "spike_norm.weight"}, "no shift in front"
    assert unit.extras() == ["a norm behind the spikes"]
    assert [name for name, _ in unit.named_children()] == ["synapse", "norm", "neuron", "spike_norm"]


def test_a_projection_has_no_spikes_to_norm(x):
    projection = parts(norm=Shrink).projection(2, 4)
    assert set(projection.state_dict()) == {"synapse.weight", "synapse.bias"}
    assert torch.equal(projection(x), projection.synapse(x))


def test_a_norm_behind_spikes_is_refused_in_front_of_a_neuron():
    made = parts(norm=Shrink)
    require_norms_in_place(CSNN(made, (1, 8, 8), 10, width=4, hidden=8))
    with pytest.raises(ConfigError, match="Shrink stands behind the spikes"):
        require_norms_in_place(PreActResNet(made, (1, 8, 8), 10, blocks=[1], widths=[4]))


@pytest.mark.parametrize("kind", [AtConv, AtPotential])
def test_rules_that_know_plain_units_alone_refuse_the_rest(kind):
    soft_if = {"neuron": IF, "v_th": 1.0, "reset": "soft"}
    model = CSNN(parts(kind, **soft_if), (1, 8, 8), 10, width=4, hidden=8)
    with pytest.raises(ConfigError, match="no analogue copy of an attention"):
        Tandem().prepare(model)


def test_a_configuration_without_attention_has_no_such_key():
    found = [compose(["model=csnn", *word]) for word in ([], ["attention=none"], ["attention=null"], ["~attention"])]
    assert all(composed.config == found[0].config and composed.choices == found[0].choices for composed in found)
    assert "attention" not in found[0].config
    assert build_model(found[0].config)[0].units()[0].extras() == []
