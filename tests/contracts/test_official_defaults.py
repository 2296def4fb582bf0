"""Recipes with official code hold the values of its scripts: the table of official.yaml, which names the files."""

import re
from pathlib import Path

import pytest
import yaml

from snnbench.build import build_model
from snnbench.config.catalogue import options, path_of
from snnbench.config.compose import compose

TABLE = yaml.safe_load(Path(__file__).with_name("official.yaml").read_text())
OFFICIAL = [(recipe, entry) for entry in TABLE for recipe in entry["recipes"]]
OURS = ("demo/", "neurons/", "speedrun/", "survey/")  # our own, and the survey's, whose records stand as they are
BESIDE = ("slayer/dvsgesture",)  # its header names an example for other hardware; this row was not released


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


def test_every_recipe_whose_header_names_official_code_is_compared_with_it():
    """Also the survey's would be, if its records did not stand as they are."""
    named = [recipe for recipe, _ in OFFICIAL]
    assert len(named) == len(set(named))
    heads = {name: path_of("experiment", name).read_text() for name in options("experiment")}
    with_code = {name for name, text in heads.items() if re.search(r"^#.* [\w-]+/[\w-]+ @\w{7}", text, re.M)}
    assert {name for name in with_code if not name.startswith(OURS)} - set(named) == set(BESIDE)
