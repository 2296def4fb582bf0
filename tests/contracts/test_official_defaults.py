"""Recipes with official code hold the values of its scripts: the table of official.yaml, which names the files."""

from pathlib import Path

import pytest
import yaml

from snnbench.build import build_model
from snnbench.config.catalogue import options
from snnbench.config.compose import compose

TABLE = yaml.safe_load(Path(__file__).with_name("official.yaml").read_text())
OFFICIAL = [(recipe, entry) for entry in TABLE for recipe in entry["recipes"]]
OURS = ("demo/", "neurons/", "speedrun/", "survey/")  # our own, and the survey's, whose records stand as they are
NO_CODE = (  # papers without a release of this row, and small settings of ours beside a release
    "dspike/cifar100_resnet18", "dspike/cifar10_resnet18", "dspike/cifar10dvs_resnet18", "dspike/imagenet_resnet34",
    "s4nn/digits", "slayer/digits", "slayer/dvsgesture", "stbp/digits", "stbp/mnist_paper_cnn", "stbp/mnist_paper_mlp",
    "stbp/nmnist_mlp", "superspike/digits", "tdbn/cifar10_resnet19", "tdbn/cifar10dvs_resnet19",
)  # fmt: skip


@pytest.mark.parametrize(("recipe", "official"), OFFICIAL, ids=[recipe for recipe, _ in OFFICIAL])
def test_recipe_holds_the_official_values(recipe, official):
    config = compose([f"experiment={recipe}"]).config
    held = {key: value for key, value in config.items() if key in official}
    held |= {name: {k: config[name].get(k) for k in official[name]} for name in held if isinstance(config[name], dict)}
    for rate in {"min", "warmup"} & {key.removesuffix("_lr") for key in official}:
        held[f"{rate}_lr"] = pytest.approx(config["optimizer"]["lr"] * config["schedule"][f"{rate}_factor"], rel=1e-3)
    if "parameters" in official:
        held["parameters"] = sum(p.numel() for p in build_model(config)[0].parameters())
    assert held == {key: value for key, value in official.items() if key not in ("source", "recipes")}


def test_every_recipe_names_its_official_file_or_has_none():
    named = [recipe for recipe, _ in OFFICIAL]
    assert len(named) == len(set(named))
    assert sorted([*named, *NO_CODE]) == [name for name in sorted(options("experiment")) if not name.startswith(OURS)]
