"""Parameter groups: what decays, and what learns at a rate of its own."""

import pytest
import torch
from torch import nn

from snnbench.build import build_model, instantiate
from snnbench.config.compose import compose
from snnbench.train.optim import adamw, parameter_groups, sgd

GLIF = ["neuron=glif", "surrogate=rectangle", "optimizer.lr=0.1", "optimizer.weight_decay=4e-5"]


class Gated(nn.Module):
    lr_scales = {"gate": 0.1}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.weight, self.gate = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))


def test_groups_without_scales_are_two_at_one_rate():
    groups = parameter_groups(nn.Linear(3, 2), 0.2, 0.01, decay_1d=False)
    assert [(g["lr"], g["weight_decay"], len(g["params"])) for g in groups] == [(0.2, 0.01, 1), (0.2, 0.0, 1)]


@pytest.mark.parametrize("build", [sgd, adamw])
def test_a_scaled_parameter_learns_slower_and_decays_as_ever(build):
    model = nn.ModuleList([nn.Linear(2, 2), Gated()])
    optimizer = build(model, lr=0.5, weight_decay=0.01, decay_1d=True)
    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [(0.5, 0.01), (0.05, 0.01)]
    assert optimizer.param_groups[1]["params"] == [model[1].gate]
    model[1].gate.no_weight_decay = True
    assert build(model, lr=0.5, weight_decay=0.01, decay_1d=True).param_groups[1]["weight_decay"] == 0


@pytest.mark.parametrize(("extra", "rates"), [([], {0.1, 0.01}), (["neuron.gate_lr=1.0"], {0.1})])
def test_glifs_groups_are_the_released_ones(extra, rates):
    """glif page: weights decay; values and gates do not; gates at a tenth (CIFAR) or at the same rate (ImageNet)."""
    config = compose([*GLIF, *extra]).config
    model, _ = build_model(config)
    optimizer = instantiate(config["optimizer"], model)
    found = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    assert {round(group["lr"], 6) for group in optimizer.param_groups} == rates
    for neuron in model.neurons().values():
        for name, parameter in neuron.named_parameters():
            group = found[id(parameter)]
            assert group["weight_decay"] == 0
            slow = name in ("alpha", "beta", "gamma")
            assert group["lr"] == pytest.approx(min(rates) if slow else 0.1)
    assert len(found) == sum(1 for _ in model.parameters())
