"""Every YAML of the axis `attention` keeps its contract, in a unit of maps, of tokens and of vectors."""

import pytest
import torch

from snnbench.build import build_model, factory
from snnbench.config.catalogue import options
from snnbench.config.compose import compose
from snnbench.models.parts import Parts
from snnbench.norms.batch_norm import BatchNorm
from snnbench.temporal import shown, stepping
from tests.contracts.components import class_of, made, node, parts_of

T, N, C = 5, 3, 8
SIZES = {2: (6, 6), 1: (7,), 0: ()}


def parts(attention=None):
    torch.manual_seed(1)
    return parts_of(T, None, BatchNorm, attention or factory(node("attention", "none")))


def unit_of(made: Parts, dims: int):
    return made.linear_unit(4, C) if dims == 0 else made.unit(4, C, 3, dims=dims)


def modules_of(unit):
    return [module for module in (unit.attention, unit.neuron.attention) if module is not None]


@pytest.mark.parametrize("dims", SIZES)
@pytest.mark.parametrize("name", options("attention"))
class TestAttention:
    def build(self, name, dims):
        return unit_of(parts(factory(node("attention", name))), dims), torch.randn(T, N, 4, *SIZES[dims]) * 2

    def test_a_unit_keeps_its_shape_its_spikes_and_its_start(self, name, dims):
        unit, x = self.build(name, dims)
        plain = unit_of(parts(), dims)
        spikes = unit(x)
        assert spikes.shape == plain(x).shape
        assert set(spikes.unique().tolist()) <= {0.0, 1.0}
        assert all(torch.equal(value, unit.state_dict()[key]) for key, value in plain.state_dict().items() if "running"
                   not in key and "batches" not in key)  # fmt: skip

    def test_gradient_reaches_the_input_and_every_parameter(self, name, dims):
        unit, x = self.build(name, dims)
        (unit(x.requires_grad_()) * torch.randn(T, N, C, *SIZES[dims])).sum().backward()
        assert x.grad[0].abs().sum() > 0
        silent = "selects" in class_of("attention", name).traits  # a top-k that no gradient passes (ASA's scores)
        missing = [key for key, p in unit.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert silent or not missing

    def test_a_sample_does_not_depend_on_its_batch(self, name, dims):
        unit, x = self.build(name, dims)
        unit.eval()
        torch.testing.assert_close(unit(x)[:, :1], unit(x[:, :1]))

    def test_keeps_no_state(self, name, dims):
        unit, x = self.build(name, dims)
        unit.eval()
        assert torch.equal(unit(x), unit(x))

    def test_walks_as_it_runs_or_says_that_it_cannot(self, name, dims):
        unit, x = self.build(name, dims)
        unit.eval()
        if "online" in class_of("attention", name).rejects:
            pytest.skip("needs its whole sequence, and says so")
        with stepping(unit) as step:
            walked = torch.stack([step(x_t) for x_t in x])
        torch.testing.assert_close(walked, unit(x))

    def test_a_static_image_is_weighed_as_its_copies(self, name, dims):
        unit, x = self.build(name, dims)
        unit.eval()
        torch.testing.assert_close(unit(shown(x[0], T)), unit(x[:1].repeat(T, *[1] * (x.ndim - 1))))

    def test_takes_half_precision(self, name, dims):
        unit, x = self.build(name, dims)
        with torch.autocast("cpu", torch.bfloat16):
            spikes = unit(x.bfloat16())
        assert spikes.dtype == torch.bfloat16


@pytest.mark.parametrize("name", options("attention"))
def test_it_acts_on_maps_and_only_none_acts_nowhere(name):
    unit = unit_of(parts(factory(node("attention", name))), 2)
    assert bool(modules_of(unit)) == (name != "none")
    built = made("attention", name, unit.neuron.site)
    assert built.site == unit.neuron.site


@pytest.mark.parametrize("name", options("attention"))
def test_it_goes_with_a_model_that_was_not_made_for_it(name):
    config = compose([f"attention={name}", "model=csnn", "model.width=8", "model.hidden=16", "T=4"]).config
    model, _ = build_model(config)
    model(torch.randn(4, 2, *config["data"]["shape"])).square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())
