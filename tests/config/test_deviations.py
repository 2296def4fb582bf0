"""What a run changed in its recipe, as its record says it: a swapped component counts once, its own values do not."""

import pytest

from snnbench.config import identity
from snnbench.config.compose import compose, recipe_of
from snnbench.config.deviations import deviations

RECIPE = "survey/cifar10_lif"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], {}),
        (["train.epochs=3", "seed=7"], {}),
        (["neuron.tau=3.0"], {"neuron.tau": [2.0, 3.0]}),
        (["neuron=plif"], {"neuron": ["lif", "plif"]}),
        (["neuron=plif", "neuron.init_tau=3.0"], {"neuron": ["lif", "plif"], "neuron.init_tau": [2.0, 3.0]}),
        (["neuron=psn", "surrogate=sigmoid", "T=8"],
         {"neuron": ["lif", "psn"], "surrogate": ["atan", "sigmoid"], "T": [4, 8]}),
    ],
)  # fmt: skip
def test_deviations_name_the_component_or_the_value(overrides, expected):
    composed = compose([f"experiment={RECIPE}", *overrides])
    assert deviations(composed, recipe_of(RECIPE)) == expected


def test_a_method_counts_by_what_it_changes():
    """Not by its name: tebn brings a neuron, a norm and a surrogate; rule, synapse and objective are the recipe's."""
    found = deviations(compose([f"experiment={RECIPE}", "method=tebn"]), recipe_of(RECIPE))
    assert found == {"neuron": ["lif", "lif_tebn"], "norm": ["bn", "tebn"], "surrogate": ["atan", "triangle"]}


def test_where_the_components_fit_only_with_the_runs_values_those_are_listed_too():
    overrides = ["neuron=plif", "neuron.v_reset=-1.0"]
    found = deviations(compose(["experiment=stbp/digits", "~neuron.tau", *overrides]), recipe_of("stbp/digits"))
    assert found["neuron"] == ["lif_stbp", "plif"]
    assert found["neuron.tau"] == [1.25, None]


def test_the_reference_path_is_a_run_of_its_own_and_the_same_recipe():
    fused, reference = (compose([f"kernels={path}"]) for path in ("auto", "reference"))
    assert fused.identity.folder != reference.identity.folder
    assert identity.recipe_hash(fused.config) == identity.recipe_hash(reference.config)
    assert identity.deviations(reference.config, fused.config) == {}
