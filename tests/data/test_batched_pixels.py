"""The batched operations equal torchvision's on PIL pictures pixel by pixel, for every operation and strength."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from snnbench.data.batched import policy
from snnbench.data.batched.placement import Flip, PaddedCrop, Placement, Roll
from snnbench.data.batched.rectangles import Cutout

CPU = torch.device("cpu")
POLICIES = {
    "trivial": (policy.TrivialAugmentWide, ()),
    "auto": (policy.AutoAugment, (v2.AutoAugmentPolicy.IMAGENET,)),
    "rand": (policy.NoisyRandAugment, (2, 9.0, 0.5, 0.5, 101)),
}
SPACE = policy.TrivialAugmentWide(shape=(3, 32, 32), interpolation="nearest", fill=None, device=CPU)


def pictures(shape, seed=0):
    """uint8 `[4, *shape]`: noise, a smooth one, low contrast, one flat colour."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    coarse = torch.rand(1, shape[0], 4, 4, generator=generator) * 255
    smooth = torch.nn.functional.interpolate(coarse, shape[1:], mode="bilinear")[0].byte()
    return torch.stack([noise, smooth, noise // 16 + 90, torch.full(shape, 7, dtype=torch.uint8)])


def by_torchvision(picture, name, magnitude, interpolation, fill):
    """One operation on one picture as the per-sample path runs it."""
    theirs = v2.TrivialAugmentWide(interpolation=v2.InterpolationMode(interpolation), fill=fill)
    pixels = picture.permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image = theirs._apply_image_or_video_transform(image, name, magnitude, theirs.interpolation, theirs._fill)
    pixels = np.array(image)
    return torch.from_numpy(pixels[..., None] if pixels.ndim == 2 else pixels).permute(2, 0, 1)


def make(kind, shape, interpolation, fill):
    cls, arguments = POLICIES[kind]
    return cls(*arguments, shape=shape, interpolation=interpolation, fill=fill, device=CPU)


@pytest.mark.parametrize("name", [*SPACE.names, "Invert"])
@pytest.mark.parametrize(
    ("shape", "interpolation"),
    [((3, 32, 32), "nearest"), ((3, 32, 32), "bilinear"), ((3, 20, 28), "bicubic"), ((1, 8, 8), "bilinear")],
)
def test_every_operation_and_strength_is_exact(name, shape, interpolation):
    stage = make("auto" if name == "Invert" else "trivial", shape, interpolation, [125, 123, 114][: shape[0]])
    op, x = stage.names.index(name), pictures(shape)
    for at in range(0, stage.bins, 1 if name == "Rotate" else 3):
        for turned in (0, 1) if stage.signed[op] else (0,):
            found = stage._step(x.clone(), *(np.full(len(x), v) for v in (op, at, turned)))
            magnitude = float(stage.magnitudes[op, at]) * (-1 if turned else 1)
            for picture, ours in zip(x, found):
                expected = by_torchvision(picture, name, magnitude, interpolation, [125, 123, 114][: shape[0]])
                assert torch.equal(ours, expected), (at, turned)


@pytest.mark.parametrize("kind", POLICIES)
def test_a_mixed_chunk_gives_each_picture_its_own_operations(kind):
    stage = make(kind, (3, 32, 32), "bilinear", None)
    x = torch.cat([pictures((3, 32, 32), seed) for seed in range(30)])
    draws = stage.draw(np.random.default_rng(1), len(x))
    found = stage(x.clone(), draws)
    for k, picture in enumerate(x):
        for op, at, turned in zip(draws["op"][k], draws["bin"][k], draws["turned"][k]):
            if op != policy.NOTHING:
                magnitude = float(stage.magnitudes[op, at]) * (-1 if turned else 1)
                picture = by_torchvision(picture, stage.names[op], magnitude, "bilinear", None)
        assert torch.equal(found[k], picture)


@pytest.mark.parametrize("leading", [(3,), (4, 2)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16])
def test_crop_flip_and_roll_in_one_gather(leading, dtype):
    x = torch.randint(1, 200, (40, *leading, 9, 12)).to(dtype)
    stage = Placement([Flip(0.5), Roll(3), PaddedCrop(2)])
    draws = stage.draw(np.random.default_rng(0), len(x))
    found = stage(x, draws)
    for k, sample in enumerate(x):
        expected = sample.flip(-1) if draws["flip"][k] else sample
        expected = expected.roll(draws["roll"][k].tolist(), (-2, -1))
        top, left = draws["crop"][k]
        expected = torch.nn.functional.pad(expected, (2, 2, 2, 2))[..., top : top + 9, left : left + 12]
        assert torch.equal(found[k], expected)


def test_cutout_covers_its_square_over_the_border_too():
    stage = Cutout((10, 12), 1, 6)
    draws = stage.draw(np.random.default_rng(0), 200)
    found = stage(torch.ones(200, 4, 2, 10, 12), draws)
    for sample, (top, left, bottom, right) in zip(found, draws["box"]):
        expected = torch.ones(10, 12)
        expected[max(top, 0) : bottom, max(left, 0) : right] = 0
        assert all(torch.equal(frame, expected) for frame in sample.flatten(0, 1))
    assert {int(b - t) for t, _, b, _ in draws["box"]} == set(range(1, 7))
