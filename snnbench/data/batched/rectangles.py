"""Random erasing (Zhong et al. 2020) and cutout (DeVries & Taylor 2017) over many samples `[n, ..., H, W]`.

torchvision's erasing draws (area, aspect) up to ten times until the rectangle is smaller than the picture on both
sides. Here all ten are drawn at once and the first that fits is used, which gives the same distribution.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from snnbench.data.batched.stage import Draws, Normalised, over_sample, to_device

TRIES = 10


class Erasing:
    """Fill one rectangle of a normalised float sample with probability `prob`.

    Args:
        prob: The probability that a sample is erased.
        scale: The range [low, high] of the rectangle's area, as a share of the sample's area.
        ratio: The range [low, high] of the rectangle's height / width.
        size: The (H, W) of a sample.
        fill: The content of the rectangle: zeros, normal noise, or one normalised grey level of 0..255.
        normalise: The stage that normalises the grey level.
    """

    def __init__(
        self,
        prob: float,
        scale: list[float],
        ratio: list[float],
        size: tuple[int, int],
        fill: Literal["zero", "noise", "grey"],
        normalise: Normalised,
    ):
        self.prob, self.scale, self.ratio, self.size, self.fill = prob, scale, ratio, size, fill
        self.normalise = normalise

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        box = np.zeros((count, 4), dtype=np.int64)
        rows = np.flatnonzero(rng.random(count) < self.prob)
        box[rows] = self._boxes(rng, len(rows))
        drawn = {"box": box}
        if self.fill == "grey":
            drawn["grey"] = rng.integers(256, size=count).astype(np.float32)
        if self.fill == "noise":
            drawn["noise_seed"] = rng.integers(2**62, size=count)
        return drawn

    def _boxes(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """The rectangles (top, left, bottom, right), `[count, 4]`. A rectangle is empty if none of its tries fitted."""
        height, width = self.size
        area = height * width * rng.uniform(*self.scale, (count, TRIES))
        aspect = np.exp(rng.uniform(*np.log(self.ratio), (count, TRIES)))
        tall, wide = np.rint(np.sqrt(area * aspect)), np.rint(np.sqrt(area / aspect))
        fits = (tall < height) & (wide < width)
        first = np.arange(count), fits.argmax(axis=1)
        sides = np.stack([tall[first], wide[first]], axis=1).astype(np.int64) * fits.any(axis=1)[:, None]
        corner = rng.integers(0, np.array(self.size) - sides + 1)
        return np.concatenate([corner, corner + sides], axis=1)

    def __call__(self, x: Tensor, draws: Draws) -> Tensor:
        box = draws["box"]
        rows = np.flatnonzero((box[:, 2] > box[:, 0]) & (box[:, 3] > box[:, 1]))
        if len(rows) == 0:
            return x
        at = to_device(rows, x.device)
        chosen = x.index_select(0, at)
        inside = _inside(to_device(box[rows], x.device), chosen)
        if self.fill == "zero":
            chosen.masked_fill_(inside, 0.0)
        else:
            chosen = torch.where(inside, self._values(chosen, {k: v[rows] for k, v in draws.items()}), chosen)
        return x.index_copy_(0, at, chosen)

    def _values(self, like: Tensor, draws: Draws) -> Tensor:
        if self.fill == "grey":
            grey = over_sample(to_device(draws["grey"], like.device), like)
            return self.normalise(grey.expand(-1, like.shape[1], 1, 1), {})
        generator = torch.Generator(like.device).manual_seed(int(draws["noise_seed"][0]))
        return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


class Cutout:
    """Zero a square with a uniform centre, clipped at the border. All channels and time steps share it.

    Args:
        size: The (H, W) of a sample.
        low: The smallest side in pixels.
        high: The largest side in pixels. Sides are uniform in low..high.
        prob: The probability that a sample gets a square.
    """

    def __init__(self, size: tuple[int, int], low: int, high: int, prob: float = 1.0):
        self.size, self.low, self.high, self.prob = size, low, high, prob

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        side = rng.integers(self.low, self.high + 1, (count, 1))
        corner = rng.integers(0, self.size, (count, 2)) - side // 2
        box = np.concatenate([corner, corner + side], axis=1)  # a part beyond the border has no effect
        box[rng.random(count) >= self.prob] = 0
        return {"box": box}

    def __call__(self, x: Tensor, draws: Draws) -> Tensor:
        return x.masked_fill_(_inside(to_device(draws["box"], x.device), x), 0)


def _inside(box: Tensor, like: Tensor) -> Tensor:
    """A mask of the pixels inside the rectangles `[n, 4]`, bool `[n, 1, ..., H, W]`, for the samples `like`."""
    height, width = like.shape[-2:]
    y, x = torch.arange(height, device=like.device), torch.arange(width, device=like.device)
    rows = (y >= box[:, 0:1]) & (y < box[:, 2:3])
    columns = (x >= box[:, 1:2]) & (x < box[:, 3:4])
    inside = rows[:, :, None] & columns[:, None, :]
    return inside.view(len(box), *[1] * (like.ndim - 3), height, width)
