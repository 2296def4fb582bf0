"""Losses on spike trains: SLAYER's counts and trains (page slayer, check 7), SuperSpike's van Rossum distance."""

import re

import pytest
import torch

from snnbench.errors import ConfigError
from snnbench.filters import alpha_kernel
from snnbench.objectives.num_spikes import NumSpikes
from snnbench.objectives.spike_time import SpikeTime
from snnbench.objectives.van_rossum import VanRossum

F64 = torch.float64


@pytest.mark.parametrize("dt", [0.5, 1.0, 2.0])
def test_page_num_spikes_gradient(dt):
    """slayer page, check 7, region = the whole sample."""
    spikes = (torch.rand(40, 1, 3, dtype=F64) < 0.2).to(F64).requires_grad_()
    loss, parts = NumSpikes(12.0, 2.0, dt=dt)(spikes, torch.tensor([1]))
    loss.backward()
    counts = spikes.detach().sum(0)[0]
    e = (counts - torch.tensor([2.0, 12.0, 2.0])) / 40
    eps = torch.tensor(alpha_kernel(10.0, dt), dtype=F64)
    for n in (0, 1, 17, 39):
        torch.testing.assert_close(spikes.grad[n, 0], dt * e * eps[: 40 - n].sum())
    assert loss.item() == pytest.approx((0.5 * 40 * dt * e.square().sum()).item())
    assert parts["count_error"].item() == pytest.approx((40 * e).abs().mean().item())


def test_spikes_outside_the_region_are_penalised_as_they_are():
    spikes = torch.zeros(20, 1, 2, dtype=F64)
    spikes[3, 0, 1] = 1
    loss, _ = NumSpikes(4.0, 1.0, start=10.0, stop=20.0)(spikes, torch.tensor([0]))
    tail = torch.tensor(alpha_kernel(10.0, 1.0)[:17], dtype=F64)
    error = torch.zeros(20, 2, dtype=F64)
    error[10:] = torch.tensor([-0.4, -0.1])
    error[3:, 1] += tail
    assert loss.item() == pytest.approx(0.5 * error.square().sum().item())


def test_losses_are_means_over_samples_and_counts_take_soft_targets():
    spikes = (torch.rand(30, 4, 3, dtype=F64) < 0.3).to(F64)
    target = torch.tensor([0, 1, 2, 2])
    for objective in (NumSpikes(9.0, 1.0), SpikeTime()):
        each = [objective(spikes[:, n : n + 1], target[n : n + 1])[0] for n in range(4)]
        torch.testing.assert_close(objective(spikes, target)[0], torch.stack(each).mean())
    half = torch.full((4, 3), 1 / 3, dtype=F64)
    wanted = (spikes.sum(0) - (1 + 8 / 3)).abs().mean()
    torch.testing.assert_close(NumSpikes(9.0, 1.0)(spikes, half)[1]["count_error"], wanted)


def test_van_rossum_targets():
    spikes = torch.zeros(12, 2, 3)
    spikes[3, 0, 1] = spikes[8, 0, 1] = 1
    objective = VanRossum(first=3, period=5)
    hard, soft = torch.tensor([1, 2]), torch.tensor([[0, 1.0, 0], [0, 0, 1.0]])
    loss, _ = objective(spikes, hard)
    torch.testing.assert_close(objective(spikes, soft)[0], loss)
    torch.testing.assert_close(objective(spikes, objective.target_trains(hard, spikes).transpose(0, 1))[0], loss)
    torch.testing.assert_close(objective(spikes[:, :1], hard[:1])[0], torch.tensor(0.0))
    lone = torch.zeros(12, 1, 3)
    lone[0, 0, 0] = 1
    extra = objective(lone, torch.zeros(1, 12, 3))[1]["unmatched"]
    assert extra.item() == pytest.approx(1)


SILENT = torch.zeros(20, 1, 2)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda y: NumSpikes(5.0, 5.0), "objective.true_count=5.0 must be above objective.false_count=5.0"),
        (lambda y: NumSpikes(stop=30.0)(SILENT, y), "no region within T=20 steps of 1.0 ms"),
        (lambda y: NumSpikes(start=20.0)(SILENT, y), "objective.start=20.0"),
        (lambda y: SpikeTime(first=9)(SILENT[:5], y), "objective.first=9"),
        (lambda y: VanRossum()(SILENT, torch.zeros(2, 11, 3)), "target spike trains"),
        (lambda y: VanRossum(first=20)(SILENT, y), "objective.first=20 leaves no target spike within T=20"),
        (lambda y: VanRossum(tau_decay=0.5), "objective.tau_decay=0.5"),
    ],
)
def test_values_that_cannot_work_are_refused(build, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        build(torch.tensor([0]))
