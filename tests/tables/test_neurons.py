"""The comparison of neurons: whose runs stand in it, how they are marked, and that its recipe is the survey's."""

import re

import pytest
import torch

from snnbench.build import build_model
from snnbench.config.catalogue import path_of
from snnbench.config.compose import compose
from snnbench.tables.neurons import OWN_NETS, RECIPE

from .records_of import record, rows

LISTED = dict(re.findall(r"^#\s+(neuron|surrogate)=(\S+)$", path_of("experiment", RECIPE).read_text(), re.MULTILINE))


@pytest.fixture
def table(build):
    return lambda *records: rows(build(*records) / "neurons_cifar10.csv")


def run(neuron="lif", surrogate="atan", recipe=RECIPE, epochs=32, planned=32, **changes):
    """A record of the comparison; what differs in anything but the seed is another recipe hash."""
    shape = {key: value for key, value in changes.items() if key in ("deviations", "time_steps")}
    key = f"{recipe} {neuron} {surrogate} {epochs} {shape}"
    choices = {"data": "cifar10", "model": "csnn", "neuron": neuron, "surrogate": surrogate, "experiment": recipe}
    values = {"experiment": recipe, "name": recipe, "choices": choices, "epochs": epochs, "epochs_planned": planned,
              "recipe_hash": key, "config_hash": f"{key} {changes.get('seed')}"}  # fmt: skip
    return record(**values | changes)


def test_without_records_every_cell_is_empty(table):
    found = table()
    assert [row.pop("Recipe") for row in found] == [RECIPE, *OWN_NETS]
    assert {cell for row in found for cell in row.values()} == {"-"}


def test_a_row_a_neuron_and_surrogate_with_its_seeds(table, tmp_path):
    swapped = {"neuron": ["lif", "plif"], "surrogate": ["atan", "sigmoid"]}
    found = table(
        run("plif", "sigmoid", seed=1, acc_best_test=80.0, deviations=swapped),
        run("plif", "sigmoid", seed=2, acc_best_test=82.0, deviations=swapped),
        run(),
    )
    lif, plif = found[:2]
    assert (lif["Neuron"], lif["Surrogate"], lif["Seeds"]) == ("lif", "atan", "1")
    assert plif == {
        "Recipe": RECIPE, "Data": "cifar10", "Model": "csnn", "Neuron": "plif", "Surrogate": "sigmoid", "T": "4",
        "Best test epoch (%)": "81.00 ± 1.41", "Last epoch (%)": "92.50 ± 0.00", "Seeds": "2",
        "SOP (M)": "160.000 ± 0.000", "Train samples/s": "3000 ± 0", "Peak memory (MB)": "2000 ± 0",
        "Params": "17,542,026", "Protocol": "32/32 ep, split official 01234567, H100",
    }  # fmt: skip
    assert RECIPE not in (tmp_path / "out" / "cifar10.csv").read_text(), "one place for each run"
    assert RECIPE in (tmp_path / "out" / "runs.csv").read_text()


def test_what_else_a_run_changed_is_marked_and_the_unchanged_run_comes_first(table):
    found = table(
        run("plif", time_steps=8, deviations={"neuron": ["lif", "plif"], "T": [4, 8]}),
        run("plif", deviations={"neuron": ["lif", "plif"]}),
        run("plif", epochs=5, deviations={"neuron": ["lif", "plif"], "neuron.init_tau": [2.0, 3.0]}),
    )
    assert [(row["T"], row["Best test epoch (%)"]) for row in found[:3]] == [
        ("4", "93.00"), ("4", "93.00 (5 of 32 ep, changed)"), ("8", "93.00 (changed)"),
    ]  # fmt: skip
    assert found[0]["Last epoch (%)"] == "92.50"


def test_other_recipes_stay_out_and_unfinished_runs_too(table):
    survey = run(recipe="survey/cifar10_lif", planned=256, reproduces="survey/cifar10/lif/top1")
    found = table(survey, run(status="failed"), run(recipe=None, name=RECIPE))
    assert [row["Model"] for row in found if row["Recipe"] == RECIPE] == ["-"]


def test_systems_with_nets_of_their_own_name_their_data(table):
    choices = {"data": "digits", "model": "s4nn_mlp", "neuron": "first_spike", "surrogate": "atan"}
    found = table(run(recipe="s4nn/digits", choices=choices))
    assert [row["Recipe"] for row in found] == [RECIPE, *OWN_NETS]
    last = found[-1]
    assert (last["Data"], last["Neuron"], last["Best test epoch (%)"]) == ("digits", "first_spike", "93.00")


def test_the_recipe_is_the_surveys_but_shorter():
    ours, survey = (compose([f"experiment={name}"]).config for name in (RECIPE, "survey/cifar10_lif"))
    assert (ours["train"].pop("epochs"), survey["train"].pop("epochs")) == (32, 256)
    assert ours.pop("reproduces") is None
    survey.pop("reproduces")
    assert ours == survey


@pytest.mark.parametrize(("axis", "name"), [(axis, name) for axis, text in LISTED.items() for name in text.split(",")])
def test_every_neuron_and_surrogate_that_it_names_trains(axis, name):
    config = compose([f"experiment={RECIPE}", f"{axis}={name}", "model.width=4", "model.hidden=8"]).config
    torch.manual_seed(0)
    model, _ = build_model(config)
    model(torch.randn(4, 2, 3, 32, 32)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
