"""Every model on what it is made for and every experiment, with T 2 and two samples (of ImageNet's smaller ones)."""

import copy
import re
from functools import cache

import pytest
import torch

from snnbench.build import build_model, build_objective, instantiate
from snnbench.config.catalogue import options, path_of
from snnbench.config.compose import Composed, compose
from snnbench.config.made_for import made_for
from snnbench.config.paths import shipped_dir
from snnbench.config.signature import component
from snnbench.objectives.lessons import lessons
from snnbench.rules.base import Batch
from snnbench.tables.reported import load_reported
from snnbench.teachers.base import Teacher

HOT = ("clif/cifar10dvs_vgg11",)  # 25,088 inputs of the readout at a rate for 128 samples: two overshoot, so a tenth
SMALL = [64, 64]  # what every ImageNet net takes; tests/models/test_shapes.py runs the true size


def shrink(config):
    """Pictures of ImageNet become small ones, of which `stem: auto` must not think that they are CIFAR's."""
    if min(config["data"]["shape"][1:]) > 128:
        config["data"]["shape"][1:] = SMALL
        if "stem" in config["model"]:
            config["model"]["stem"] = "imagenet"


def traits(config, axis):
    return component(config[axis]["_target_"]).traits


@pytest.mark.parametrize("name", options("model"))
def test_model_gives_logits_and_spikes_on_what_it_is_made_for(name):
    config = compose([f"model={name}", *made_for(name), "T=2"]).config
    shrink(config)
    model, _ = build_model(config)
    outputs = {}
    for layer, neuron in model.neurons().items():
        neuron.register_forward_hook(
            lambda m, _, y, layer=layer: outputs.__setitem__(layer, (y / m.amplitude).unique())
        )
    shape = config["data"]["shape"]
    steps = 8 if is_slow(config) else 2
    logits = model(torch.randn(steps, 2, *(shape[:2] if "sequence_1d" in traits(config, "model") else shape)))
    assert logits.shape == (steps, 2, config["data"]["num_classes"])
    assert outputs.keys() == model.neurons().keys(), "a neuron layer is never used"
    levels = config["neuron"]["levels"] if "multi_level" in traits(config, "neuron") else 1
    assert all(set(values.tolist()) <= set(map(float, range(levels + 1))) for values in outputs.values())
    logits.square().sum().backward()
    unused = [name for name, p in model.named_parameters() if p.grad is None]
    assert not unused, f"parameters without gradient: {unused}"


@pytest.fixture(scope="module", params=options("experiment"))
def recipe(request) -> Composed:
    """Composed once for all tests of an experiment, which pytest then runs one after another."""
    return compose([f"experiment={request.param}"])


published = cache(lambda: load_reported(shipped_dir() / "reported"))


def test_experiment_composes_and_reproduces_a_published_row(recipe):
    row, name = recipe.config["reproduces"], recipe.choices["experiment"]
    assert row is None or row in published()
    head = path_of("experiment", name).read_text()
    assert f"experiment={name}" in head, "the file must show the command that runs it"


def hinted(name):
    """Overrides beside the recipe that its header names, on the command's line, in brackets or before `reproduces=`."""
    head = [line for line in path_of("experiment", name).read_text().splitlines() if line.startswith("#")]
    text = " ".join(line for line in head if "snnbench train experiment=" in line or "reproduces=" in line)
    for group in re.split(r"[;,)]|: ", text):
        overrides = [token.strip("(.") for token in group.split() if re.match(r"\(?(~[\w.]+$|[\w.]+=)", token)]
        overrides = [o for o in overrides if not o.startswith("experiment=") and "<" not in o]
        if overrides and " -m " not in text:
            yield overrides


@pytest.mark.parametrize("name", [n for n in options("experiment") if list(hinted(n))])
def test_variants_that_a_header_names_compose(name):
    for overrides in hinted(name):
        config = compose([f"experiment={name}", *overrides]).config
        assert config["reproduces"] is None or config["reproduces"] in published(), overrides


def is_slow(config):
    """Whether an input takes steps to reach a neuron's potential, so that T 2 shows nothing."""
    return bool({"synaptic_current", "spike_response"} & traits(config, "neuron"))


def twin_of(config, encoder):
    """An untrained teacher: the recipe's own net with ReLU."""
    return Teacher(build_model(config | {"neuron": compose(["neuron=relu"]).config["neuron"]})[0], encoder)


def test_experiments_loss_falls_within_20_steps(recipe):
    config, name = copy.deepcopy(recipe.config), recipe.choices["experiment"]
    by_column = config["encoder"]["_target_"].endswith(".Column")  # T is the image's width
    by_spike_time = "single_spike" in traits(config, "neuron")  # needs steps to fire in
    wakes_late = config["neuron"].get("exp_init") is False  # published: random kernels over time, hardly a spike
    if by_column:
        config["T"] = config["data"]["shape"][-1]
    elif is_slow(config):
        config["T"] = min(config["T"], 30)
    else:
        config["T"] = 16 if by_spike_time else 2
    time_steps = config["T"]
    shrink(config)
    config["optimizer"]["lr"] *= 0.1 if name in HOT else 1
    torch.manual_seed(0)
    model, rule = build_model(config)
    if "silent_start" in traits(config, "model"):  # published: wakes after many epochs
        for synapse in model.synapses():
            synapse.weight.data.mul_(8)
    channels, height, width = config["data"]["shape"]
    events = "frames" in config["encoder"]["_target_"]
    x = torch.rand(2, time_steps, channels, height, width) * 2 if events else torch.randn(2, channels, height, width)
    target = torch.tensor([0, config["data"]["num_classes"] - 1])
    encoder = instantiate(config["encoder"], time_steps=time_steps)
    teacher = twin_of(config, encoder) if config.get("teacher") else None
    objective, optimizer = build_objective(config, model, teacher), instantiate(config["optimizer"], model)
    first, steps = None, 400 if by_spike_time else 100 if wakes_late else 20
    for _ in range(steps):  # spike times move by whole steps, after many small updates
        x_seq = encoder(x)
        with lessons(model, objective, x, x_seq, teacher) as lesson:
            loss_of = lambda logits, lesson=lesson: objective(logits, target, *lesson())  # noqa: E731
            batch = Batch(x_seq, target, loss_of, optimizer_step=optimizer.step, zero_grad=optimizer.zero_grad)
            _, loss, _ = rule.train_batch(model, batch)
        first = loss if first is None else first
        if loss < 0.95 * first:
            return
    pytest.fail(f"the loss went from {first:.4f} to {loss:.4f}")
