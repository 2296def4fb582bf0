"""Objectives: the toy numbers of the TET page, soft targets, and the identities that tie the losses together."""

import pytest
import torch
from torch.nn import functional as F

from snnbench.objectives.mean_ce import MeanCE
from snnbench.objectives.mean_mse import MeanMSE
from snnbench.objectives.per_step import PerStep
from snnbench.objectives.tet import TET
from tests.tiny import spikingjelly

TOY = torch.tensor([[[2.0, 0, -1]], [[0.5, 1, 0]], [[1, 1, 1]]], dtype=torch.float64)
Y = torch.tensor([0])


@pytest.fixture
def logits():
    return torch.randn(4, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def target():
    return torch.tensor([0, 2, 1, 1, 0])


def test_tet_toy_of_the_page():
    loss, parts = TET(lamb=0.05, means=1.0)(TOY, Y)
    assert parts["ce"].item() == pytest.approx(0.816243, abs=1e-6)
    assert parts["mse"].item() == pytest.approx(0.805556, abs=1e-6)
    assert loss.item() == pytest.approx(0.815708, abs=1e-6)
    assert TET(lamb=1e-3)(TOY, Y)[0].item() == pytest.approx(0.816232, abs=1e-6)
    assert MeanCE()(TOY, Y)[0].item() == pytest.approx(0.651249, abs=1e-6)
    for t, expected in enumerate([0.169846, 1.180270, 1.098612]):
        assert TET(lamb=0.0)(TOY[t : t + 1], Y)[0].item() == pytest.approx(expected, abs=1e-6)


def test_tet_toy_gradient_of_the_page():
    logits = TOY.clone().requires_grad_()
    TET(lamb=0.05)(logits, Y)[0].backward()
    expected = [-0.038354, 0.025051, -0.008919, -0.224944, 0.160385, 0.047891, -0.211111, 0.105556, 0.105556]
    assert logits.grad.flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_tet_is_at_least_ce_of_the_mean_and_equals_it_for_equal_steps(logits, target):
    assert TET(lamb=0.0)(logits, target)[0] >= MeanCE()(logits, target)[0]
    results = []
    for objective in (TET(lamb=0.0), MeanCE()):
        same = logits[:1].repeat(4, 1, 1).requires_grad_()
        loss, _ = objective(same, target)
        loss.backward()
        results.append((loss.detach(), same.grad))
    torch.testing.assert_close(results[0], results[1])


def test_per_step_is_the_mean_of_the_released_loss(logits, target):
    a, one_hot = 0.05, F.one_hot(target, 3).double()
    steps = [(1 - a) * F.cross_entropy(o, target) + a * F.mse_loss(o, one_hot) for o in logits]
    torch.testing.assert_close(PerStep(a)(logits, target)[0], torch.stack(steps).mean())


@pytest.mark.parametrize("objective", [TET(0.05), PerStep(0.05), PerStep(0.3, label_smoothing=0.1)])
def test_per_step_losses_are_means_of_their_steps(objective, logits, target):
    """What the trait per_step_loss promises to online rules."""
    assert "per_step_loss" in objective.traits
    steps = [objective(logits[t : t + 1], target)[0] for t in range(4)]
    torch.testing.assert_close(objective(logits, target)[0], torch.stack(steps).mean())


def test_mean_mse_of_stbp(logits, target):
    expected = (logits.mean(0) - F.one_hot(target, 3)).square().mean()
    torch.testing.assert_close(MeanMSE()(logits, target)[0], expected)


ALL = [MeanCE(), MeanCE(0.1), MeanMSE(), TET(0.05), PerStep(0.05)]


@pytest.mark.parametrize("objective", ALL, ids=lambda o: type(o).__name__)
def test_soft_target_is_linear_mixture(objective, logits, target):
    """A mixed label gives the mixture of the cross entropies (mixup's premise); the loss is a finite scalar."""
    soft = 0.3 * F.one_hot(target, 3).double() + 0.7 * F.one_hot(target.roll(1), 3).double()
    loss, parts = objective(logits, soft)
    assert loss.shape == ()
    if "ce" in parts:
        mixed = 0.3 * objective(logits, target)[1]["ce"] + 0.7 * objective(logits, target.roll(1))[1]["ce"]
        torch.testing.assert_close(parts["ce"], mixed)


@pytest.mark.parametrize("objective", ALL, ids=lambda o: type(o).__name__)
def test_bf16_logits_give_an_fp32_loss(objective, logits, target):
    assert objective(logits.bfloat16(), target)[0].dtype == torch.float32


@pytest.mark.peer
def test_tet_equals_spikingjelly(logits, target):
    theirs = spikingjelly("functional").temporal_efficient_training_cross_entropy(logits, target)
    torch.testing.assert_close(TET(lamb=0.0)(logits, target)[0], theirs)
