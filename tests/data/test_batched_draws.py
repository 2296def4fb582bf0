"""The batched draws have torchvision's distribution: two-sample tests on fixed seeds (p > 0.001)."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2

from snnbench.data.augment import ImageAugment
from snnbench.data.batched import policy
from snnbench.data.batched.placement import Flip, KeepFrames, PaddedCrop, Roll
from snnbench.data.batched.rectangles import Cutout, Erasing
from snnbench.data.batched.stage import Normalised, Pipeline
from snnbench.data.dataset import Normalise
from snnbench.data.event_augment import EventAugment
from snnbench.data.operations import GreyErasing, NoisyRandAugment

CPU = torch.device("cpu")
NORMALISE = Normalise(255, [0.5, 0.4, 0.3], [0.2, 0.25, 0.3])
SETTINGS = {"shape": (3, 32, 32), "interpolation": "nearest", "fill": None, "device": CPU}
LEAST_P = 0.001


def same_frequencies(ours, theirs):
    """Chi-square of homogeneity over the outcomes seen often enough."""
    ours, theirs = Counter(ours), Counter(theirs)
    assert set(theirs) <= set(ours)
    expected_share = sum(theirs.values()) / (sum(theirs.values()) + sum(ours.values()))
    often = [k for k in ours if (ours[k] + theirs[k]) * expected_share >= 5]
    table = np.array([[ours[k] for k in often], [theirs[k] for k in often]])
    assert stats.chi2_contingency(table).pvalue > LEAST_P


def uniform(values, outcomes):
    counts = Counter(values)
    assert set(counts) == set(outcomes)
    assert stats.chisquare([counts[k] for k in outcomes]).pvalue > LEAST_P


def torchvision_draws(transform, count):
    """The (operation, magnitude) pairs of each call, without running any operation."""
    calls = []

    def note(image, name, magnitude, **_):
        calls[-1].append((name, magnitude))
        return image

    transform._apply_image_or_video_transform = note
    image = torch.zeros(3, 32, 32, dtype=torch.uint8)
    for _ in range(count):
        calls.append([])
        transform(image)
    return calls


def batched_draws(stage, count):
    draws = stage.draw(np.random.default_rng(3), count)
    magnitudes = stage.magnitudes[draws["op"], draws["bin"]] * (1 - 2 * draws["turned"].astype(int))
    return [
        [(stage.names[op], float(m)) for op, m in zip(ops, ms) if op != policy.NOTHING]
        for ops, ms in zip(draws["op"], magnitudes)
    ]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (policy.TrivialAugmentWide(**SETTINGS), v2.TrivialAugmentWide()),
        (policy.AutoAugment(v2.AutoAugmentPolicy.CIFAR10, **SETTINGS), v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)),
        (policy.AutoAugment(v2.AutoAugmentPolicy.IMAGENET, **SETTINGS), v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET)),
        (
            policy.NoisyRandAugment(2, 7.0, 2.0, 0.5, NoisyRandAugment.BINS, **SETTINGS),
            NoisyRandAugment(2, 7.0, 2.0, 0.5, interpolation=v2.InterpolationMode.NEAREST, fill=None),
        ),
    ],
)
def test_operations_and_magnitudes(ours, theirs):
    found, expected = batched_draws(ours, 60_000), torchvision_draws(theirs, 2500)
    same_frequencies([tuple(name for name, _ in one) for one in found], [tuple(n for n, _ in one) for one in expected])
    flat_found, flat_expected = ([pair for one in draws for pair in one] for draws in (found, expected))
    possible = {(n, float(s * m)) for n, row in zip(ours.names, ours.magnitudes) for m in row for s in (1, -1)}
    assert set(flat_expected) <= possible
    for name in ("Rotate", "Brightness", "Solarize"):
        a, b = ([m for n, m in flat if n == name] for flat in (flat_found, flat_expected))
        assert len(b) < 20 or stats.ks_2samp(a, b).pvalue > LEAST_P


def test_signs_are_even_and_trivial_augment_s_bins_uniform():
    stage = policy.TrivialAugmentWide(**SETTINGS)
    draws = stage.draw(np.random.default_rng(0), 60_000)
    signed = stage.signed[draws["op"]]
    assert stats.binomtest(int(draws["turned"][signed].sum()), int(signed.sum()), 0.5).pvalue > LEAST_P
    assert not draws["turned"][~signed].any()
    uniform(draws["op"].ravel().tolist(), range(14))
    uniform(draws["bin"].ravel().tolist(), range(31))


@pytest.mark.parametrize(
    ("scale", "ratio", "size"),
    [((0.02, 0.33), (0.3, 3.3), (32, 32)), ((0.02, 0.4), (0.4, 2.5), (20, 28)), ((0.85, 1.0), (0.5, 2.0), (16, 16))],
)
def test_erasing_rectangles(scale, ratio, size):
    stage = Erasing(0.7, scale, ratio, size, "zero", Normalised(NORMALISE, CPU))
    box = stage.draw(np.random.default_rng(0), 40_000)["box"]
    theirs, image = v2.RandomErasing(1.0, scale, ratio), [torch.zeros(3, *size)]
    drawn = [theirs.make_params(image) for _ in range(3000)]
    drawn = np.array([[p["i"], p["j"], p["h"], p["w"]] for p in drawn if p["v"] is not None])
    erased = box[:, 2] > box[:, 0]
    assert erased.mean() == pytest.approx(0.7 * len(drawn) / 3000, abs=0.03)
    box = box[erased]
    top, left, height, width = box[:, 0], box[:, 1], box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
    i, j, h, w = drawn.T
    pairs = [(top, i), (left, j), (height, h), (width, w), (height * width, h * w), (height / width, h / w)]
    for ours, expected in pairs:
        assert stats.ks_2samp(ours, expected).pvalue > LEAST_P
    assert (box[:, 2] <= size[0]).all()
    assert (box[:, 3] <= size[1]).all()


@pytest.mark.parametrize("fill", ["zero", "noise", "grey"])
def test_erasing_fills(fill):
    normalised = Normalised(NORMALISE, CPU)
    stage = Erasing(0.5, [0.1, 0.3], [0.5, 2.0], (16, 16), fill, normalised)
    x = torch.full((400, 3, 16, 16), 100.0)
    draws = stage.draw(np.random.default_rng(0), 400)
    found = stage(x.clone(), draws)
    values = []
    for sample, (top, left, bottom, right), k in zip(found, draws["box"], range(400)):
        hole = sample[:, top:bottom, left:right]
        assert int((sample != 100).sum()) == hole.numel()
        if fill == "grey" and hole.numel():
            expected = NORMALISE(torch.full((3, 1, 1), float(draws["grey"][k])))
            assert torch.equal(hole, expected.expand_as(hole))
        values.append(hole.flatten())
    values = torch.cat(values)
    if fill == "zero":
        assert (values == 0).all()
    if fill == "noise":
        assert stats.kstest(values[:20_000].numpy(), "norm").pvalue > LEAST_P
    if fill == "grey":
        uniform(draws["grey"] // 16, range(16))
        assert isinstance(ImageAugment(erasing=1.0, erasing_fill="grey")._erasing(NORMALISE), GreyErasing)


def test_moves():
    rng = np.random.default_rng(0)
    flips = Flip(0.3).draw(rng, 20_000)["flip"]
    assert stats.binomtest(int(flips.sum()), 20_000, 0.3).pvalue > LEAST_P
    crop, roll = PaddedCrop(4).draw(rng, 20_000)["crop"], Roll(5).draw(rng, 20_000)["roll"]
    uniform(map(tuple, crop.tolist()), [(i, j) for i in range(9) for j in range(9)])
    uniform(map(tuple, roll.tolist()), [(i, j) for i in range(-5, 6) for j in range(-5, 6)])
    frames = KeepFrames(3, 5).draw(rng, 20_000)["frames"]
    uniform(map(tuple, frames.tolist()), list(combinations(range(5), 3)))
    box = Cutout((12, 10), 1, 8, 0.4).draw(rng, 40_000)["box"]
    box = box[box.any(axis=1)]
    side = box[:, 2] - box[:, 0]
    uniform(side, range(1, 9))
    uniform(box[:, 0] + side // 2, range(12))
    uniform(box[:, 1] + side // 2, range(10))
    assert len(box) == pytest.approx(0.4 * 40_000, abs=500)


@pytest.mark.parametrize(
    "augment",
    [
        ImageAugment(flip=0.3), ImageAugment(crop_padding=2), ImageAugment(cutout=4),
        EventAugment(roll=2), EventAugment(cutout=3, cutout_prob=0.4), EventAugment(keep_frames=3),
        EventAugment(flip=0.5, crop_padding=1),
    ],
)  # fmt: skip
def test_a_sample_alone_is_moved_as_one_of_a_batch(augment):
    """Event frames share one draw over time, which the order of the values shows."""
    shape = (5, 2, 6, 6) if isinstance(augment, EventAugment) else (3, 6, 6)
    x = torch.arange(1.0, 1 + np.prod(shape)).view(shape)
    alone, pipeline = (
        augment.for_training(shape[-3:], Normalise(1)),
        Pipeline(augment.batched(shape, Normalise(1), CPU)),
    )
    found = pipeline(x.expand(8000, *shape).clone(), pipeline.draw(np.random.default_rng(0), 8000))
    expected = [alone(x.clone()) for _ in range(2000)]
    same_frequencies(*([one.numpy().tobytes() for one in samples] for samples in (found, expected)))


def test_survey_recipe_as_a_whole_gives_the_per_sample_path_s_pixels():
    recipe = ImageAugment(flip=0.5, auto="trivial_wide", erasing=0.1, interpolation="bilinear")
    coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 255
    picture = torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear")[0].byte()
    alone = recipe.for_training((3, 32, 32), NORMALISE)
    expected = torch.stack([alone(picture) for _ in range(1500)])
    pipeline = Pipeline(recipe.batched((3, 32, 32), NORMALISE, CPU))
    draws = pipeline.draw(np.random.default_rng(0), 4000)
    found = pipeline(picture.expand(4000, -1, -1, -1).clone(), draws)
    deviation = (found.var(0) / 4000 + expected.var(0) / 1500).sqrt()
    assert ((found.mean(0) - expected.mean(0)).abs() / deviation).max() < 6
    assert torch.allclose(found.std((0, 2, 3)), expected.std((0, 2, 3)), rtol=0.05)
    assert stats.ks_2samp(found.mean((1, 2, 3)), expected.mean((1, 2, 3))).pvalue > LEAST_P
    erased = [(x == 0).all(1).sum((1, 2)).float() for x in (found, expected)]
    assert stats.ks_2samp(*erased).pvalue > LEAST_P
