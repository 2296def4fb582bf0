"""Model FLOPs against a count by hand, and what share of a device's peak they are."""

import pytest

from snnbench.bench.flops import model_tflop, utilisation
from snnbench.bench.works import Work


def test_the_flops_of_csnn_are_those_counted_by_hand():
    """Two a multiply-add; the backward costs twice the forward, but for the first layer's input, which needs none."""
    overrides = ["data=cifar10", "model=csnn", "model.width=4", "model.hidden=8", "neuron=lif", "surrogate=atan", "T=3"]
    steps = 3 * 2  # T times the batch
    first = 2 * (3 * 9 * 4 * 32 * 32) * 2  # a static image meets it once a sample: forward, gradient of the weights
    later = 2 * 4 * 9 * 4 * 32 * 32 + 3 * 4 * 9 * 4 * 16 * 16  # two more at 32x32, three after the pool
    linear = 4 * 8 * 8 * 8 + 8 * 10
    by_hand = 2 * first + 3 * 2 * steps * (later + linear)
    assert model_tflop(Work("w", "w", tuple(overrides), batch=2)) * 1e12 == pytest.approx(by_hand)


def test_the_utilisation_is_the_share_of_the_precisions_peak():
    h100 = "NVIDIA H100 80GB HBM3"
    assert utilisation(0.989, 10.0, h100, "bf16") == pytest.approx(0.1)
    assert utilisation(0.495, 10.0, h100, "fp32") == pytest.approx(0.1)
    assert utilisation(1.0, 10.0, "a CPU", "fp32") is None
    assert utilisation(None, 10.0, h100, "bf16") is None
