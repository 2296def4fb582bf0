"""Firing rates by hooks, and the warning about dead and saturated layers."""

import pytest
import torch
from torch import nn

from snnbench.metrics.firing import FiringMeter, FiringRates, count_in_one_pass, warnings


class Neuron(nn.Module):
    def __init__(self, amplitude=1.0):
        super().__init__()
        self.surrogate, self.amplitude = object(), amplitude

    def forward(self, x):
        return (x > 0).to(x.dtype) * self.amplitude


def test_rates_over_batches_whatever_the_amplitude():
    model = nn.Sequential(nn.Identity(), Neuron(), Neuron(0.3))
    x = torch.full((2, 2, 5), -1.0)
    x[0, 0] = 1
    with FiringRates(model) as firing:
        model(x)
        model(-torch.ones(2, 1, 5))
    model(torch.ones(2, 1, 5))  # after the block: not counted
    assert firing.rates() == pytest.approx({"1": 5 / 30, "2": 5 / 30})
    assert list(firing.rates()) == ["1", "2"]
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("shape", [(4, 6, 5, 8, 8), (4, 6, 7), (4, 6)], ids=str)
def test_one_pass_counts_every_spike(shape, dtype):
    """What CUDA runs, in the layout of convolutions where there are maps."""
    spikes = (torch.rand(shape) < 0.3).to(dtype) * 0.3
    if len(shape) == 5:
        spikes = spikes.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, shape[:2])
    assert torch.equal(count_in_one_pass(spikes), torch.count_nonzero(spikes))


def test_meter_adds_what_batches_of_any_size_counted():
    meter, model = FiringMeter(), nn.Sequential(Neuron(), Neuron())
    assert meter.rates({}) == {}
    for x in (torch.ones(2, 3, 5), -torch.ones(2, 1, 5)):
        with FiringRates(model) as firing:
            model(x)
        meter.add(firing.fired(), x.shape[1])
    assert meter.rates({"0": 10, "1": 10}) == {"0": 0.75, "1": 0.75}


def test_hooks_go_away_on_errors():
    model = nn.Sequential(Neuron())
    with pytest.raises(KeyError), FiringRates(model):
        raise KeyError
    assert not model[0]._forward_hooks


def test_models_name_their_neurons():
    model = nn.Sequential(Neuron(), Neuron())
    model.neurons = lambda: {"only": model[1]}
    with FiringRates(model) as firing:
        model(torch.ones(1, 1, 2))
    assert firing.rates() == {"only": 1.0}


def test_warnings():
    sentences = warnings({"dead": 0.0, "quiet": 0.001, "fine": 0.2, "full": 0.95})
    assert len(sentences) == 2
    assert "dead" in sentences[0]
    assert "0.1%" in sentences[0]
    assert "full" in sentences[1]
    assert "95.0%" in sentences[1]
