"""Norm + residual + neuron through the kernels of every family: spikes, gradients and statistics of plain PyTorch."""

import itertools

import pytest
import torch

from tests.kernels.parity import (
    ADAPTIVE_DIMENSIONS,
    DIMENSIONS,
    PARALLEL_DIMENSIONS,
    TWO_STATES_DIMENSIONS,
    Case,
    compare,
    pairwise_cases,
)

FAMILIES = (DIMENSIONS, TWO_STATES_DIMENSIONS, PARALLEL_DIMENSIONS, ADAPTIVE_DIMENSIONS)
MATRICES = [pairwise_cases(dimensions) for dimensions in FAMILIES]


@pytest.mark.parametrize(("dimensions", "cases"), list(zip(FAMILIES, MATRICES)), ids=["membrane", "two", "psn", "alif"])
def test_matrix_has_every_value_with_every_neuron_or_reset(dimensions, cases):
    leading = "reset" if "reset" in dimensions else "neuron"
    for (name, values), first in itertools.product(dimensions.items(), dimensions[leading]):
        seen = {getattr(case, name) for case in cases if getattr(case, leading) == first}
        assert name == leading or seen == set(values)


# BIG: two tiles and a bit in every layout, three programs share ten of them channels-last; WIDE: one and a bit
BIG, WIDE = (3, 5, 21, 20), (3, 5, 9, 20)
LARGE = [
    Case(shape=BIG, time_steps=2, norm="bn", neuron="plif", residual=True),
    Case(shape=BIG, time_steps=2, norm="bn", neuron="lif_tau3", layout="channels_last"),
    Case(shape=BIG, time_steps=2, neuron="plif_undecayed_tau3", reset="soft", detach_reset=False),
    Case(shape=BIG, time_steps=9, norm="tdbn", neuron="plif", layout="channels_last", static=True),
    Case(shape=(3, 131, 3, 1), time_steps=2, norm="bn", neuron="plif", layout="channels_last", residual=True),
    Case(shape=(13, 515), time_steps=2, norm="bn", layout="flat"),
    Case(shape=(9, 131), time_steps=2, norm="bn", layout="flat", static=True, dtype=torch.bfloat16),
    Case(shape=(2, 1, 3, 5), time_steps=3, norm="bn"),
    Case(shape=(1, 1), time_steps=9, layout="flat", neuron="if", reset="soft"),
    Case(neuron="clif", shape=WIDE, time_steps=3, norm="bn", residual=True),
    Case(neuron="clif_overwritten_tau3", shape=WIDE, time_steps=9, norm="tebn", layout="channels_last"),
    Case(neuron="glif", shape=WIDE, time_steps=3, norm="bn", layout="channels_last", strict=True),
    Case(neuron="glif", shape=WIDE, time_steps=9, layout="channels_last", residual=True),
    Case(neuron="glif", shape=WIDE, time_steps=2, static=True, norm="tebn"),
    Case(neuron="glif_shared", shape=(13, 515), time_steps=2, layout="flat"),
    Case(neuron="plif", shape=WIDE, time_steps=9, norm="tebn", layout="channels_last"),
    Case(neuron="if", shape=WIDE, time_steps=2, norm="tebn", residual=True, reset="soft"),
    Case(neuron="lif_tau3", shape=WIDE, time_steps=4, norm="tebn_eval", layout="channels_last", static=True),
    Case(neuron="clif", layout="flat", time_steps=64, surrogate="rectangle"),
    Case(neuron="glif", layout="flat", time_steps=64, norm="bn", surrogate="rectangle"),
    Case(neuron="lif", layout="flat", time_steps=17, norm="tebn", residual=True),
    Case(neuron="psn", shape=BIG, norm="bn", residual=True),
    Case(neuron="psn", shape=BIG, norm="bn", layout="channels_last"),
    Case(neuron="sliding_psn", shape=(3, 131, 3, 1), time_steps=8, norm="tdbn", layout="channels_last", static=True),
    Case(neuron="psn", shape=(13, 515), time_steps=3, layout="flat"),
    Case(neuron="sliding_psn", time_steps=1),
    Case(neuron="sliding_psn", time_steps=33, norm="bn", residual=True),
    Case(neuron="sliding_psn", shape=BIG, time_steps=10, norm="bn", layout="channels_last"),
    Case(neuron="sliding_psn_order8", time_steps=18, norm="tdbn", static=True, layout="channels_last"),
    Case(neuron="sliding_psn_order8", shape=(5, 6), time_steps=32, layout="flat", dtype=torch.bfloat16),
    Case(neuron="psn", norm="tebn"),  # whose factor of each step the norm applies itself
    Case(neuron="block_alif_latency1", shape=BIG, norm="bn", residual=True),
    Case(neuron="block_alif_latency1", shape=BIG, time_steps=3, norm="bn", layout="channels_last"),
    Case(neuron="block_alif_latency3", shape=(3, 131, 3, 1), time_steps=8, layout="channels_last", static=True),
    Case(neuron="block_alif_latency1", shape=(13, 515), time_steps=3, layout="flat"),
    Case(neuron="block_alif_latency1", shape=(2, 131, 1, 2), time_steps=17, layout="channels_last", norm="tdbn"),
    Case(neuron="block_alif_latency15", layout="flat", time_steps=37, detach_reset=False),
    Case(neuron="block_alif_latency1", norm="tebn"),  # whose factor of each step the norm applies itself
    Case(neuron="alif", shape=BIG, time_steps=9, norm="bn", layout="channels_last", strict=True),
    Case(neuron="alif", layout="flat", time_steps=32, residual=True),
]


@pytest.mark.parametrize("case", [*itertools.chain(*MATRICES), *LARGE], ids=str)
def test_fused_equals_reference(case, device):
    compare(case, device)
