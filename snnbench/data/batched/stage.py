"""What a batched stage is, and how its random numbers reach the device.

Every random *parameter* (which operation, how far, where) is drawn on the host, once an epoch for all samples of the
split, from a numpy generator of (seed, epoch). So the host knows which samples need which operation, kernels run only
for those samples, and the host never waits for the device; and a sample's augmentation depends on
(seed, epoch, index) alone, whatever the chunk, the rank or the device. Only noise that fills pixels is drawn there.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from snnbench.data.dataset import Normalise

Draws = dict[str, np.ndarray]  # one row a sample in every array


class Stage(Protocol):
    """One step of a pipeline over samples `[n, *]` (images `[n, C, H, W]`, event frames `[n, T, C, H, W]`)."""

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Parameters of `count` samples, in their order."""
        ...

    def __call__(self, x: Tensor, draws: Draws) -> Tensor:
        """Apply; may write into `x`, which belongs to the pipeline."""
        ...


class Pipeline:
    """Stages in order: `[n, *]` as stored -> float32 `[n, *]`."""

    def __init__(self, stages: list[Stage]):
        self.stages = stages

    def draw(self, rng: np.random.Generator, count: int) -> list[Draws]:
        return [stage.draw(rng, count) for stage in self.stages]

    def __call__(self, x: Tensor, draws: list[Draws], rows: np.ndarray | slice = slice(None)) -> Tensor:
        """Apply to the samples `x`, whose parameters are `rows` of `draws`."""
        for stage, drawn in zip(self.stages, draws):
            x = stage(x, {name: values[rows] for name, values in drawn.items()})
        return x


class Normalised:
    """The data set's `Normalise` as a stage, on the device."""

    def __init__(self, normalise: Normalise, device: torch.device):
        self.on_device = normalise.to(device)

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        return {}

    def __call__(self, x: Tensor, draws: Draws) -> Tensor:
        return self.on_device(x)


def to_device(values: np.ndarray, device: torch.device) -> Tensor:
    """A small host array on the device without waiting for it: from pinned memory where the device is a GPU."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def over_sample(values: Tensor, like: Tensor) -> Tensor:
    """`[n]` -> `[n, 1, 1, ...]`, to be broadcast over the samples `like` `[n, *]`."""
    return values.view(-1, *[1] * (like.ndim - 1))
