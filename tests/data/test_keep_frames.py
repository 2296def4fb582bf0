"""SEW-ResNet's T_train: training keeps some of the frames, in order."""

import pytest
import torch

from snnbench.data.operations import KeepFrames
from snnbench.errors import ConfigError


def test_keeps_an_ordered_random_subset():
    frames = torch.arange(16.0).view(16, 1, 1, 1).expand(16, 2, 4, 4)
    kept = [KeepFrames(12)(frames)[:, 0, 0, 0] for _ in range(5)]
    assert all(len(k) == 12 and bool((k.diff() > 0).all()) for k in kept)
    assert len({tuple(k.tolist()) for k in kept}) > 1


def test_more_frames_than_there_are_is_refused():
    with pytest.raises(ConfigError, match="keep_frames=5"):
        KeepFrames(5)(torch.zeros(4, 2, 4, 4))
