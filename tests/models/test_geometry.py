"""Operations a step and the size of every layer's output, of models with official code.

`geometry.csv` was derived from the official code (repository and commit in `source`): nets in PyTorch were built and
hooked, the rest was worked out by hand from their code; `source` says "paper" where there is no code. `macs` are those
of convolutions and linear layers in one time step (products in an attention are not counted). `outputs` counts these
layers by the size of what they give, "64x1024:5" being five layers of 64 channels and 1024 pixels or tokens.
"""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
import torch

from snnbench.synapses.base import Synapse

from .building import NAMES, build, step_shape

with Path(__file__).with_name("geometry.csv").open() as file:
    OFFICIAL = {row["model"]: row for row in csv.DictReader(file)}

CHANGES = {"cuba_mlp": {"hidden": [256]}}  # the released net's size


def geometry(model: torch.nn.Module, shape: tuple[int, ...]) -> tuple[int, Counter]:
    """Multiplications of all synapses for one sample in one step, and how many synapses give an output of each size."""
    macs, sizes = [], Counter()

    def count(synapse, _inputs, y):
        channels, fan_in = synapse.weight.shape[0], synapse.weight[0].numel()
        macs.append(y.numel() * fan_in)
        sizes[f"{channels}x{y.numel() // channels}"] += 1

    for module in model.modules():
        if isinstance(module, Synapse):
            module.register_forward_hook(count)
    with torch.no_grad():
        model.eval()(torch.zeros(1, 1, *shape, device="meta"))
    return sum(macs), sizes


def test_every_row_names_a_model_and_its_source():
    assert OFFICIAL.keys() <= set(NAMES)
    assert all(re.search("@|paper|branch", row["source"]) for row in OFFICIAL.values())


@pytest.mark.parametrize("name", OFFICIAL)
def test_operations_and_sizes_are_those_of_the_official_code(name):
    row = OFFICIAL[name]
    shape = tuple(map(int, row["input"].split("x")))
    model = build(name, shape, int(row["classes"]), device="meta", **CHANGES.get(name, {}))
    macs, sizes = geometry(model, step_shape(name, shape))
    expected = {size: int(count) for size, count in (part.split(":") for part in row["outputs"].split())}
    assert sizes == expected
    assert macs == int(row["macs"])
