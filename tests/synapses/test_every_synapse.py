"""Synapses that know time walk as they run, gradients included, and every one of configs/ trains a net on images."""

import pytest
import torch

from snnbench.build import build_model
from snnbench.config.catalogue import options
from snnbench.config.compose import compose
from snnbench.synapses.axonal_delay import AxonalDelay
from snnbench.synapses.dcls import DCLS
from snnbench.synapses.iir import IIR
from tests.tiny import graded, walked

FAMILIES = {
    "axonal_delay": AxonalDelay,
    "dcls": lambda: DCLS(5, bumps=2),
    "dual_exp": lambda: IIR("dual_exp"),
    "low_pass": lambda: IIR("low_pass"),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dims", [0, 1, 2])
@pytest.mark.parametrize("name", FAMILIES)
def test_walking_equals_running_and_nothing_looks_ahead(name, dims, training):
    family, x = FAMILIES[name](), torch.randn(7, 2, 4, *[6] * dims, dtype=torch.float64)
    synapse = family.conv(dims, 4, 6, 3, stride=2, padding=1, bias=True, groups=2) if dims else family.linear(4, 3)
    synapse.double().train(training)
    for parameter in synapse.parameters():  # each line by its own number
        if name == "axonal_delay" and parameter.shape == (4,):
            parameter.data = torch.tensor([0.2, 3.4, 1.0, 2.0]).double()
        elif parameter.shape == (4,):
            parameter.data *= torch.tensor([0.5, 0.8, 1.0, 0.9])
    y, learnt = synapse(x), list(synapse.parameters()) if training else []  # evaluation rounds DCLS's positions
    weights = torch.randn_like(y)
    found, expected = (graded(f, x, weights, learnt) for f in (lambda x: walked(synapse, x), synapse))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(synapse(x[:4]), y[:4])


@pytest.mark.parametrize("name", options("synapse"))
def test_images_train_in_any_net(name):
    config = compose([f"synapse={name}", "model=csnn", "model.width=4", "model.hidden=8", "T=3"]).config
    net, _ = build_model(config)
    logits = net(torch.rand(3, 2, *config["data"]["shape"]))
    logits.square().sum().backward()
    assert logits.shape == (3, 2, 10)
    assert all(p.grad is not None for p in net.parameters())
