"""Every image data set under every augmentation: values stay in the data's own range and no picture is emptied."""

import numpy as np
import pytest
import torch
from data_files import IMAGE_SETS, build, from_yaml, write_image_set, yamls

from snnbench.config.check import check
from snnbench.config.compose import compose
from snnbench.data.augment import ImageAugment
from snnbench.data.dataset import ArraySource, Normalise
from snnbench.data.digits import LEVELS, Digits, FromLevels, load_digit_arrays
from snnbench.data.event_augment import EventAugment
from snnbench.data.mixing import BatchMix
from snnbench.data.residence import obstacle
from snnbench.errors import ConfigError

IMAGE_AUGMENTS = yamls("augment", "ImageAugment")


@pytest.fixture
def image_set(request, tmp_path, monkeypatch):
    cls, values = write_image_set(request.param, tmp_path, monkeypatch)
    if "resize" in values:  # small pictures are enough
        values |= {"shape": [3, 32, 32], "resize": 36}
    return lambda **more: build(cls, tmp_path, **(values | {"batch_size": 20, "drop_last": False} | more))


def limits(normalise, channels):
    """Lowest and highest value of each channel, `[C, 1, 1]`: what black and white become."""
    return normalise(torch.zeros(channels, 1, 1)), normalise(torch.full((channels, 1, 1), 255.0))


@pytest.mark.parametrize("augment", IMAGE_AUGMENTS)
@pytest.mark.parametrize("image_set", IMAGE_SETS, indirect=True)
@pytest.mark.parametrize("resident", ["host", "device"])
def test_range_is_kept_and_nothing_is_emptied(image_set, augment, resident):
    recipe = ImageAugment(**from_yaml("augment", augment)[1])
    data = image_set(augment=recipe)
    try:
        data.setup()
    except ConfigError as refused:  # it would empty pictures of this size, or leave their range; see below
        if not str(refused).startswith("augment."):
            raise
        return
    if resident == "device":
        if obstacle(recipe, data.loaded.train):
            return  # decoded from files, or on the host only
        data = image_set(augment=recipe, resident="device")
        data.place("cpu")
    low, high = limits(data.normalise, data.shape[0])
    empty = seen = 0
    mix = recipe.mix or BatchMix()
    epochs = range(1 if data.train_size > 1000 else 3)
    for epoch in epochs:
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        for at, (x, y) in enumerate(loader):
            mixture = mix.draw(np.random.default_rng(at), 1, len(x), *x.shape[-2:])[0]
            for pictures in (x, mix(x, y, 1 + int(y.max()), mixture)[0]):
                assert ((pictures >= low - 1e-5) & (pictures <= high + 1e-5)).all()
            empty += int((x.amax((1, 2, 3)) == x.amin((1, 2, 3))).sum())
            seen += len(x)
            bright = (x - low) / (high - low)
            assert bright.max() > 0.9, "white stays white"
    assert seen == len(epochs) * data.train_size
    assert empty <= 0.01 * seen  # a crop may fall on the black border of a scanned digit


def test_digits_reach_the_network_as_their_own_sixteenths():
    """Bit for bit what `v / 16` gave: committed records were trained on it."""
    raw, labels = load_digit_arrays()
    data = build(Digits, "", [1, 8, 8], 10, batch_size=64)
    assert data.loaded.train.array.max() == 255
    before = Normalise(16)(ArraySource(raw, labels).many(np.arange(64)))
    now = data.normalise(data.loaded.train.many(np.arange(64)))
    assert torch.equal(now, before)
    assert now.stride() == before.stride()  # a convolution's last bits depend on it
    everything = FromLevels()(torch.arange(256).view(-1, 1, 1))
    assert (everything.diff(dim=0) > 0).all()
    assert (everything.flatten() - torch.arange(256) / 255).abs().max() < 0.002
    assert LEVELS.tolist()[::8] == [0, 128, 255]


@pytest.mark.parametrize("data", yamls("data"))
def test_augmentation_of_another_kind_is_refused_at_composition(data):
    composed = compose([f"data={data}"])
    traits = from_yaml("data", data)[0].traits
    for augment in yamls("augment"):
        cls, values = from_yaml("augment", augment)
        config = composed.config | {"augment": values | {"_target_": f"{cls.__module__}.{cls.__name__}"}}
        choices = composed.choices | {"augment": augment}
        if cls.requires.keys() <= set(traits):
            check(config, choices)
        else:
            with pytest.raises(ConfigError, match=f"augment={augment} does not fit the rest: it changes"):
                check(config, choices)


@pytest.mark.parametrize(
    ("augment", "shape", "words"),
    [
        (ImageAugment(cutout=8), (1, 8, 8), r"augment\.cutout=8 can cover a whole picture of 8x8"),
        (
            ImageAugment(auto="trivial_wide"),
            (1, 28, 28),
            r"augment\.auto=trivial_wide moves pictures by up to 32 pixels",
        ),
        (ImageAugment(crop_padding=28), (1, 28, 28), r"augment\.crop_padding=28"),
        (EventAugment(cutout=16), (2, 16, 16), r"augment\.cutout=16 can cover"),
        (EventAugment(crop_padding=40), (2, 34, 34), r"augment\.crop_padding=40"),
        (EventAugment(crop_padding=4), (1, 1, 140), r"augment\.crop_padding=4 .* rows of frequency bands"),
        (EventAugment(flip=0.5), (1, 1, 140), r"augment\.flip=0\.5 .* use augment=events_none"),
        (EventAugment(keep_frames=5), (2, 34, 34), r"augment\.keep_frames=5 exceeds T=4"),
        (ImageAugment(erasing=0.1, erasing_fill="noise"), (1, 8, 8), r"augment\.erasing_fill=noise"),
    ],
)
def test_settings_that_do_not_fit_the_samples_are_refused(augment, shape, words):
    with pytest.raises(ConfigError, match=words):
        augment.refuse_misfit(shape, 4, Normalise(255))


def test_a_hole_below_the_picture_s_size_is_taken():
    ImageAugment(cutout=7, crop_padding=7).refuse_misfit((1, 8, 8), 4, Normalise(255))
    ImageAugment(auto="trivial_wide").refuse_misfit((3, 32, 32), 4, None)
    ImageAugment(erasing=0.1, erasing_fill="noise").refuse_misfit((1, 8, 8), 4, Normalise(255, [0.1], [0.3]))


@pytest.mark.parametrize(
    ("scale", "words"),
    [([0.5, 2.0], r"augment\.erasing_scale=\[0\.5, 2\.0\] must be shares"), ([0.5, 0.1], r"augment\.erasing_scale=")],
)
def test_shares_of_the_area_that_are_none_are_refused(scale, words):
    with pytest.raises(ConfigError, match=words):
        ImageAugment(erasing_scale=scale)
