"""Every augmentation alone and in a batch, and what erasing and normalising do to pixels."""

import numpy as np
import pytest
import torch
from data_files import from_yaml, yamls

from snnbench.data.augment import ImageAugment
from snnbench.data.batched.stage import Pipeline
from snnbench.data.dataset import Normalise
from snnbench.data.event_augment import EventAugment
from snnbench.data.operations import KeepFrames
from snnbench.errors import ConfigError

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]


def run(stage, x, seed):
    torch.manual_seed(seed)
    return stage(x.clone())


@pytest.mark.parametrize("name", yamls("augment"))
def test_every_augment_yaml_gives_finite_samples_of_the_right_shape(name):
    """Alone under a seed, and in a batch unless the augmentation says which setting has no batched form."""
    cls, values = from_yaml("augment", name)
    augment, events = cls(**values), "events" in cls.requires
    shape = (5, 2, 12, 12) if events else (3, 32, 32)
    normalise = Normalise(1) if events else Normalise(255, MEAN, STD)
    alone = augment.for_training(shape[-3:], normalise)
    x = torch.randint(0, 256, (50, *shape), dtype=torch.uint8)
    if alone is not None:
        outs = [run(alone, x[0], seed) for seed in range(12)]
        assert all(o.shape == shape and o.dtype == torch.float32 and o.isfinite().all() for o in outs)
        assert any(not torch.equal(outs[0], o) for o in outs[1:])
        assert torch.equal(outs[3], run(alone, x[0], 3))
    if obstacle := augment.unbatched():
        key = obstacle.removeprefix("augment.").partition("=")[0]
        assert obstacle == f"augment.{key}={values[key]}"
        return
    pipeline = Pipeline(augment.batched(shape, normalise, torch.device("cpu")))
    found = pipeline(x.clone(), pipeline.draw(np.random.default_rng(0), 50))
    assert found.shape == x.shape
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    plain = normalise(x).flatten(1)
    assert bool((found.flatten(1) != plain).any(1).sum() > 10) == (alone is not None)


def test_normalise_as_by_hand():
    x = torch.randint(0, 256, (3, 4, 4), dtype=torch.uint8)
    expected = (x.float() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    assert torch.allclose(Normalise(255, MEAN, STD)(x), expected, atol=1e-6)


def test_grey_erasing_is_one_grey_level_before_normalisation():
    augment = ImageAugment(erasing=1.0, erasing_fill="grey")
    stage = augment.for_training((3, 32, 32), Normalise(255, MEAN, STD))
    x = torch.zeros(3, 32, 32, dtype=torch.uint8)
    out = run(stage, x, 1) * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    level = (out * 255).round()
    assert len(level.unique()) == 2
    assert torch.equal(level[0], level[1])


def test_erasing_happens_after_normalisation_with_zeros():
    stage = ImageAugment(erasing=1.0).for_training((3, 32, 32), Normalise(255, MEAN, STD))
    out = run(stage, torch.full((3, 32, 32), 255, dtype=torch.uint8), 0)
    assert (out == 0).any()
    assert (out != 0).any()


def test_nothing_to_do_is_none():
    assert ImageAugment().for_training((3, 8, 8), Normalise(255)) is None
    assert ImageAugment().mix is None
    assert EventAugment().for_training((2, 8, 8), Normalise(1)) is None


def test_more_frames_than_there_are_are_refused():
    with pytest.raises(ConfigError, match="keep_frames=5"):
        KeepFrames(5)(torch.zeros(4, 2, 4, 4))
