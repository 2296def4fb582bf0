"""The interface of a batched stage, and the way its random numbers reach the device.

The host draws every random *parameter* (which operation, how far, where) once an epoch for all samples of the split,
from a numpy generator seeded by (seed, epoch). The host then knows which samples need an operation without waiting for
the device, and kernels run for those samples only. A sample's augmentation depends on (seed, epoch, index) and not on
the chunk, the rank or the device. Only noise that fills pixels is drawn on the device.
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from snnbench.data.dataset import Normalise

Draws = dict[str, np.ndarray]  # every array has one row for each sample


class Stage(Protocol):
    """One step of a pipeline over samples `[n, *]` (images `[n, C, H, W]`, event frames `[n, T, C, H, W]`)."""

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Draw the parameters of `count` samples, in the order of the samples."""
        ...

    def __call__(self, x: Tensor, draws: Draws) -> Tensor:
        """Return the augmented samples. The stage may overwrite `x`, which nothing else uses."""
        ...


class Pipeline:
    """Apply stages in order, from samples `[n, *]` as stored to float32 `[n, *]`."""

    def __init__(self, stages: list[Stage]):
        self.stages = stages

    def draw(self, rng: np.random.Generator, count: int) -> list[Draws]:
        return [stage.draw(rng, count) for stage in self.stages]

    def __call__(self, x: Tensor, draws: list[Draws], rows: np.ndarray | slice = slice(None)) -> Tensor:
        """Augment the samples `x`. Their parameters are the rows `rows` of `draws`."""
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
    """Copy a small host array to the device. Pinned memory lets the host go on while a GPU still copies."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def over_sample(values: Tensor, like: Tensor) -> Tensor:
    """View `[n]` as `[n, 1, 1, ...]`, so that it broadcasts over the samples `like` `[n, *]`."""
    return values.view(-1, *[1] * (like.ndim - 1))
