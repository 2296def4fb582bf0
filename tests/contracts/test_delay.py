"""`Neuron.delay` is true of every neuron, and a network whose outputs depend on no weight within T is refused by it."""

import pytest
import torch

from snnbench.build import check_gradient, factory, instantiate
from snnbench.config.catalogue import options
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.models.base import SpikingModel
from snnbench.models.layers import Flatten
from snnbench.models.parts import Parts
from snnbench.norms.batch_norm import BatchNorm
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.synapses.plain import Plain
from tests.contracts.components import made, node

CHANNELS = 3


@pytest.mark.parametrize("name", options("neuron"))
def test_spikes_depend_on_the_input_from_that_step_on(name):
    for steps in (1, 2, 3, 4):
        neuron = made("neuron", name, Site(CHANNELS, steps), surrogate=ATan())
        for parameter in neuron.parameters():
            parameter.requires_grad_(False)
        spikes = neuron(torch.rand(steps, 2, CHANNELS, requires_grad=True))
        assert spikes.requires_grad == (steps > neuron.delay), f"T={steps}"


class Chain(SpikingModel):
    """Two layers that spike, the second one being the output."""

    def __init__(self, parts):
        super().__init__()
        self.layers = torch.nn.Sequential(Flatten(), parts.linear_unit(64, 5), parts.linear_unit(5, 10))

    def forward(self, x_seq):
        return self.layers(x_seq)


@pytest.mark.parametrize("name", options("neuron"))
def test_a_network_is_refused_exactly_where_its_outputs_depend_on_no_weight(name):
    delay = made("neuron", name, Site(CHANNELS, 1), surrogate=ATan()).delay
    for steps in {1, max(delay, 1), delay + 1}:
        config = compose(["data=digits", f"T={steps}"]).config
        encoder = instantiate(config["encoder"], time_steps=steps)
        model = Chain(Parts(factory(node("neuron", name), surrogate=ATan()), BatchNorm, Plain(), steps))
        if steps > delay:
            check_gradient(config, model, encoder)
            continue
        with pytest.raises(ConfigError, match=f"set T={2 * delay + 1} or more"):
            check_gradient(config, model, encoder)
