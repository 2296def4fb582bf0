"""Encoders: shapes, views, rates, spike times, and what is refused."""

import pytest
import torch

from snnbench.encoders.column import Column
from snnbench.encoders.direct import Direct
from snnbench.encoders.frames import Frames
from snnbench.encoders.latency import Latency
from snnbench.encoders.poisson import Poisson
from snnbench.encoders.rank_latency import RankLatency
from snnbench.encoders.threshold_latency import ThresholdLatency
from snnbench.errors import ConfigError
from snnbench.neurons.first_spike import first_spike_times
from snnbench.temporal import is_static
from tests.tiny import spikingjelly


@pytest.fixture
def image():
    return torch.rand(2, 3, 4, 5)


def test_direct_repeats_without_copying(image):
    x_seq = Direct(6)(image)
    assert x_seq.shape == (6, 2, 3, 4, 5)
    assert is_static(x_seq)
    assert x_seq.data_ptr() == image.data_ptr()


def test_frames_are_a_view():
    x = torch.rand(2, 6, 3, 4, 5)
    x_seq = Frames(6)(x)
    assert x_seq.shape == (6, 2, 3, 4, 5)
    assert x_seq.data_ptr() == x.data_ptr()
    with pytest.raises(ConfigError, match="T=4, but the data hold 6 frames"):
        Frames(4)(x)


def test_column_shows_one_column_a_step(image):
    x_seq = Column(5)(image)
    assert x_seq.shape == (5, 2, 3, 4)
    for t in range(5):
        assert torch.equal(x_seq[t], image[..., t])
    with pytest.raises(ConfigError, match="T=4, but images have 5 columns"):
        Column(4)(image)


def test_poisson_rate_is_the_pixel(image):
    x_seq = Poisson(4000)(image)
    assert set(x_seq.unique().tolist()) == {0.0, 1.0}
    assert (x_seq.mean(0) - image).abs().max() < 0.05
    assert Poisson(50)(torch.zeros(1, 1, 2, 2)).sum() == 0
    assert Poisson(50)(torch.ones(1, 1, 2, 2)).mean() == 1


def test_poisson_range_for_normalised_images(image):
    assert (Poisson(4000, low=-1, high=3)(image * 4 - 1).mean(0) - image).abs().max() < 0.05
    with pytest.raises(ConfigError, match="must be above"):
        Poisson(4, low=1, high=1)


def test_latency_brighter_is_earlier():
    x = torch.tensor([1.0, 0.6, 0.3, 0.05, 0.0]).view(1, 1, 1, 5)
    x_seq = Latency(11)(x).view(11, 5)
    assert x_seq.sum(0).tolist() == [1, 1, 1, 1, 0]
    assert x_seq.argmax(0).tolist()[:4] == [0, 4, 7, 10]  # 9.5 rounds to even, 10
    assert Latency(11, threshold=0.5)(x).sum() == 2


@pytest.mark.peer
def test_latency_equals_spikingjelly(image):
    theirs = spikingjelly("encoding").LatencyEncoder(7, "linear")
    assert torch.equal(Latency(7)(image), torch.stack([theirs(image) for _ in range(7)]))


def test_threshold_latency_by_charging():
    """t = floor(20 ln(x/(x - 0.2))): 1 -> 4, 0.5 -> 10, 0.21 -> 60; 0.2, less, and times past T are silent."""
    x = torch.tensor([1.0, 0.5, 0.21, 0.2, 0.1, 0.0]).view(1, 1, 2, 3)
    encoder = ThresholdLatency(50)
    assert ThresholdLatency(100).times(x).flatten().tolist() == [4, 10, 60, 100, 100, 100]
    spikes = encoder(x)
    assert spikes.shape == (50, 1, 1, 2, 3)
    assert spikes.sum(0).flatten().tolist() == [1, 1, 0, 0, 0, 0]
    assert spikes[4].sum() == spikes[10].sum() == 1


def test_rank_latency_of_grey_levels():
    """s4nn page, check 1; black fires at T, that is, never."""
    levels = torch.tensor([0, 1, 127, 128, 254, 255]) / 255
    encoder = RankLatency(256)
    assert encoder.times(levels).tolist() == [256, 254, 128, 127, 1, 0]
    spikes = encoder(levels.view(1, 1, 2, 3))
    assert first_spike_times(spikes).flatten().tolist() == [256, 254, 128, 127, 1, 0]
    assert spikes.sum(0).flatten().tolist() == [0, 1, 1, 1, 1, 1]
    every = torch.arange(256)
    assert torch.equal(encoder.times(every / 255), (255 - every) * 256 // 255)
    with pytest.raises(ConfigError, match=r"encoder\.high"):
        RankLatency(4, low=1.0, high=1.0)
