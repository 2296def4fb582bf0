"""Every YAML of the small axes keeps its axis's contract. A new component is tested the moment its file exists."""

import re
from functools import partial

import pytest
import torch

from snnbench.axes import AXES
from snnbench.build import instantiate
from snnbench.config.catalogue import description, options
from snnbench.config.check import check
from snnbench.config.compose import compose
from snnbench.config.parameters import explain
from snnbench.objectives.distillation import Lesson
from snnbench.objectives.lessons import lessons
from snnbench.objectives.taps import outline
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.temporal import stepping
from tests.contracts.components import class_of, made, node

T, N, C = 5, 3, 4


@pytest.mark.parametrize(("axis", "name"), [(a, n) for a in AXES for n in options(a)])
def test_yaml_is_described_and_complete(axis, name):
    assert len(description(axis, name)) > 10
    found = class_of(axis, name)
    missing = set(found.parameters) - set(node(axis, name)) - AXES[axis].injected
    assert not missing, f"configs/{axis}/{name}.yaml does not list {missing}"


@pytest.mark.parametrize(("axis", "name"), [(a, n) for a in AXES for n in options(a)])
def test_every_parameter_says_what_it_means(axis, name):
    """`snnbench list axis=name` prints these texts one by one, so that none may lean on another parameter's."""
    told = {parameter.name: parameter.meaning for parameter in explain(axis, name)[2]}
    silent = [key for key, text in told.items() if len(text.split()) < 3]
    assert not silent, f"the docstring's `Args:` of {node(axis, name)['_target_']} must say what {silent} mean"
    shared = [key for key, text in told.items() if list(told.values()).count(text) > 1]
    assert not shared, f"{shared} have one text: give each its own"


SOURCED = ("neuron", "surrogate", "rule", "norm", "attention")
NO_SOURCE = {("norm", "none"), ("attention", "none")}  # nobody's


@pytest.mark.parametrize(("axis", "name"), [(a, n) for a in SOURCED for n in options(a)])
def test_description_names_the_year_of_its_source(axis, name):
    dated = re.search(r"\b(18|19|20)\d{2}\b", description(axis, name))
    assert bool(dated) != ((axis, name) in NO_SOURCE), f"configs/{axis}/{name}.yaml: (authors, venue year)"


@pytest.mark.parametrize("name", options("neuron"))
class TestNeuron:
    def build(self, name):
        torch.manual_seed(1)
        return made("neuron", name, Site(C, T), surrogate=ATan())

    def test_walking_equals_running(self, name):
        neuron, x = self.build(name), torch.randn(T, N, C, 6, 6) * 2
        if "parallel_in_time" in class_of("neuron", name).traits:
            pytest.skip("needs its whole sequence")
        with stepping(neuron) as step:
            walked = torch.stack([step(x_t) for x_t in x])
        assert torch.equal(walked, neuron(x))

    def test_spikes_are_binary_and_some_fire(self, name):
        neuron = self.build(name)
        traits = class_of("neuron", name).traits
        if "analogue" in traits:
            pytest.skip("does not spike")
        spikes = neuron(torch.randn(T, N, C, 6, 6) * 2) / neuron.amplitude
        levels = len(neuron.levels) if "multi_level" in traits else 1
        assert set(spikes.unique().tolist()) == set(map(float, range(levels + 1)))

    def test_gradient_reaches_the_first_input_and_every_parameter(self, name):
        neuron, x = self.build(name), torch.randn(T, N, C, 6, 6, requires_grad=True)
        neuron(x).sum().backward()
        assert x.grad[0].abs().sum() > 0
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in neuron.parameters())

    def test_keeps_no_state(self, name):
        neuron, x = self.build(name), torch.randn(T, N, C, 6, 6) * 2
        keys = set(neuron.state_dict())
        assert torch.equal(neuron(x), neuron(x))
        assert set(neuron.state_dict()) == keys == {n for n, _ in neuron.named_parameters()}
        neuron(x).sum().backward() if list(neuron.parameters()) else None
        neuron(x.requires_grad_()).sum().backward()

    def test_membrane_is_fp32_under_autocast(self, name):
        neuron, x = self.build(name), (torch.randn(T, N, C, 6, 6) * 2).bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            assert neuron(x).dtype == torch.bfloat16
            if "parallel_in_time" in class_of("neuron", name).traits:
                return
            _, state = neuron.step(x[0], neuron.initial_state(x[0]))
        states = state if isinstance(state, tuple) else (state,)
        assert all(s.dtype == torch.float32 for s in states if isinstance(s, torch.Tensor) and s.is_floating_point())


@pytest.mark.parametrize("name", options("norm"))
@pytest.mark.parametrize("extra", [(), (7,), (6, 6)])
def test_norm_keeps_shape_and_walks_as_it_runs(name, extra):
    norm = made("norm", name, Site(C, T, v_th=0.5, branches=2))
    x = torch.randn(T, N, C, *extra)
    assert norm(x).shape == x.shape
    norm.eval()
    with stepping(norm) as step:
        walked = torch.stack([step(x_t) for x_t in x])
    torch.testing.assert_close(walked, norm(x))


@pytest.mark.parametrize("name", options("surrogate"))
def test_surrogate_is_a_heaviside_with_its_stated_derivative(name):
    spike = made("surrogate", name)
    x = torch.linspace(-3, 3, 601, dtype=torch.double, requires_grad=True)
    s = spike(x)
    assert torch.equal(s, (x >= 0).double())
    s.sum().backward()
    torch.testing.assert_close(x.grad, spike.derivative(x.detach()))
    assert (x.grad >= 0).all()
    assert x.grad[300] == x.grad.max()
    assert not list(spike.parameters())


@pytest.mark.parametrize("name", options("synapse"))
def test_synapse_maps_time_leading_tensors(name):
    family = made("synapse", name)
    conv = family.conv(2, C, 8, 3, stride=2, padding=1, bias=False, groups=1)
    tokens, linear = family.conv(1, C, 8, 1, stride=1, padding=0, bias=False, groups=1), family.linear(C, 8, bias=True)
    x = torch.randn(T, N, C, 6, 6)
    assert conv(x).shape == (T, N, 8, 3, 3)
    assert tokens(x.flatten(3)).shape == (T, N, 8, 36)
    assert linear(x[..., 0, 0]).shape == (T, N, 8)
    torch.testing.assert_close(conv(x[:1].expand(T, -1, -1, -1, -1)), conv(x[:1].repeat(T, 1, 1, 1, 1)))


def what_is_seen(objective):
    """What an objective without a teacher sees of a layer."""
    model = torch.nn.Sequential(made("neuron", "lif", Site(C, T), surrogate=ATan()))
    model.neurons, x_seq = lambda: {"0": model[0]}, torch.randn(T, N, C) * 2
    objective.prepare(outline(model, x_seq))
    with lessons(model, objective, x_seq[0], x_seq) as lesson:
        model(x_seq)
    return lesson()[0]


@pytest.mark.parametrize("name", options("objective"))
def test_objective_prefers_the_right_answer_and_takes_soft_targets(name):
    objective = made("objective", name)
    target = torch.tensor([0, 2, 1])
    right = (0.5 * torch.nn.functional.one_hot(target, C)).expand(T, -1, -1).clone().requires_grad_()
    if "needs_teacher" in class_of("objective", name).traits:
        objective = partial(objective, lesson=Lesson(right.detach(), [torch.rand(T, N, C)], [torch.rand(T, N, C)]))
    elif objective.sees:
        objective = partial(objective, seen=what_is_seen(objective))
    loss, parts = objective(right, target)
    assert loss.ndim == 0
    assert all(value.ndim == 0 for value in parts.values())
    assert loss < objective(right.roll(1, dims=2), target)[0]
    soft = torch.nn.functional.one_hot(target, C).float()
    torch.testing.assert_close(objective(right, soft)[0], loss)
    loss.backward()
    satisfied = "spike_time_loss" in class_of("objective", name).traits  # a margin, and it is kept
    assert (right.grad.abs().sum() > 0) == (not satisfied)


@pytest.mark.parametrize("name", options("encoder"))
def test_encoder_leads_with_time(name):
    encoder = made("encoder", name, time_steps=6)
    needs_events = "events" in class_of("encoder", name).requires
    x = torch.rand(N, 6, 2, 6, 6) if needs_events else torch.rand(N, 3, 6, 6)
    y = encoder(x)
    assert y.shape[:2] == (6, N)


@pytest.mark.parametrize("name", options("schedule"))
def test_schedule_stays_within_the_optimisers_rate(name):
    schedule = made("schedule", name, epochs=10)
    factors = [schedule.factor(epoch / 4) for epoch in range(41)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert max(factors) == 1


@pytest.mark.parametrize("name", options("optimizer"))
def test_optimizer_holds_every_parameter_once(name):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    model[0].bias.no_weight_decay = True
    optimizer = made("optimizer", name, model)
    held = [p for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in held} == {id(p) for p in model.parameters()}
    assert len(held) == 4
    quiet = [p for group in optimizer.param_groups if group["weight_decay"] == 0 for p in group["params"]]
    assert any(p is model[0].bias for p in quiet)


@pytest.mark.parametrize("name", options("data"))
def test_data_takes_what_its_yaml_lists_and_what_the_program_passes(name, tmp_path):
    """A parameter that reaches the constructor through `**rest` is one that its parent has."""
    values = {key: value for key, value in node("data", name).items() if key != "defaults"} | {"root": str(tmp_path)}
    made = instantiate(values, batch_size=2, eval_batch_size=2, time_steps=3, seed=0, augment=None)
    assert made.shape == tuple(values["shape"])


@pytest.mark.parametrize("name", options("method"))
def test_method_composes_with_the_defaults(name):
    composed = compose([f"method={name}"])
    check(composed.config, composed.choices)
    assert composed.choices["method"] == name
