"""Mixup and CutMix: labels add to one, equal torchvision's v2 for the same draw and in distribution."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from snnbench.data.mixing import BatchMix

N, K = 8, 5


def batch(shape=(3, 16, 16)):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(N, *shape, generator=generator), torch.arange(N) % K


def draws(mix, count=300, shape=(3, 16, 16)):
    x, y = batch(shape)
    for mixture in drawn(mix, count, N, shape):
        yield x, y, *mix(x, y, K, mixture)


def drawn(mix, count, size, shape):
    return mix.draw(np.random.default_rng(0), count, size, *shape[-2:])


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("partner", ["roll", "flip", "shuffle"])
@pytest.mark.parametrize("frames", [(), (4,)])
@pytest.mark.parametrize("size", [N, 3])  # a last batch may be smaller than what was drawn
def test_labels_are_the_share_of_pixels(per, partner, frames, size):
    """Channel k of every frame is picture k, so its mean is label k's share."""
    x = torch.eye(size).view(size, *(1 for _ in frames), size, 1, 1).expand(size, *frames, size, 16, 16)
    mix = BatchMix(0.4, 1.0, per=per, partner=partner)
    for mixture in drawn(mix, 20, N, x.shape):
        mixed, target = mix(x, torch.arange(size), size, mixture)
        assert mixed.shape == x.shape
        assert torch.allclose(target.sum(1), torch.ones(size), atol=1e-6)
        share = mixed.mean((-1, -2)).view(size, -1, size)
        assert torch.allclose(share, target[:, None].expand_as(share), atol=1e-5)


def test_mixup_equals_torchvision_for_the_same_lam():
    oracle = v2.MixUp(alpha=0.2, num_classes=K)
    for x, y, mixed, target in draws(BatchMix(mixup=0.2), 20):
        lam = next(1 - float(row[(label - 1) % K]) for row, label in zip(target, y) if label > 0)
        oracle.make_params = lambda _, lam=lam: {"lam": lam}
        expected_x, expected_y = oracle(x.clone(), y)
        assert torch.allclose(mixed, expected_x, atol=1e-5)
        assert torch.allclose(target, expected_y, atol=1e-5)


def test_cutmix_equals_torchvision_for_the_same_box():
    oracle = v2.CutMix(alpha=1.0, num_classes=K)
    for x, y, mixed, target in draws(BatchMix(cutmix=1.0), 50):
        hole = (mixed != x).any(0).any(0).nonzero()
        if len(hole) == 0:
            continue
        (y1, x1), (y2, x2) = hole.amin(0).tolist(), (hole.amax(0) + 1).tolist()
        lam = 1 - (x2 - x1) * (y2 - y1) / 256
        oracle.make_params = lambda _, box=(x1, y1, x2, y2), lam=lam: {"box": box, "lam_adjusted": lam}
        expected_x, expected_y = oracle(x.clone(), y)
        assert torch.equal(mixed, expected_x)
        assert torch.allclose(target, expected_y, atol=1e-6)


@pytest.mark.parametrize(("ours", "theirs"), [(BatchMix(mixup=0.2), v2.MixUp), (BatchMix(cutmix=1.0), v2.CutMix)])
def test_share_is_distributed_as_in_torchvision(ours, theirs):
    oracle = theirs(alpha=0.2 if theirs is v2.MixUp else 1.0, num_classes=N)
    x, y = torch.rand(2, 1, 16, 16), torch.tensor([0, 1])
    torch.manual_seed(0)
    a = torch.stack([ours(x, y, 2, mixture)[1][0, 0] for mixture in drawn(ours, 1500, 2, x.shape)])
    b = torch.stack([oracle(x, y)[1][0, 0] for _ in range(1500)])
    assert (a.quantile(torch.linspace(0.1, 0.9, 9)) - b.quantile(torch.linspace(0.1, 0.9, 9))).abs().max() < 0.08


def test_survey_recipe_mixes_every_batch_with_either_evenly():
    cut = blended = 0
    for x, _, mixed, _ in draws(BatchMix(0.2, 1.0)):
        same = (mixed == x).float().mean()
        cut += bool(0.02 < same < 1)
        blended += bool(same <= 0.02)
    assert 110 < blended < 180
    assert 110 < cut < 190


def test_per_sample_draws_differ_within_a_batch():
    target = next(draws(BatchMix(mixup=1.0, per="sample")))[3]
    assert len(target.max(1).values.unique()) > 4


def test_prob_soft_targets_and_epochs():
    assert sum(torch.equal(x, mixed) for x, _, mixed, _ in draws(BatchMix(1.0, prob=0.5), 200)) in range(70, 131)
    x, _ = batch()
    soft = torch.full((N, K), 1 / K)
    assert torch.allclose(BatchMix(1.0)(x, soft, K, drawn(BatchMix(1.0), 1, N, x.shape)[0])[1], soft)
    mix = BatchMix(1.0, until_epoch=3)
    assert [mix.active(e) for e in (0, 2, 3, 9)] == [True, True, False, False]
    assert BatchMix(1.0).active(10_000)
