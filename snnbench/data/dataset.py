"""Sources of samples, and the data set that fetches a whole batch from one, with a seed for each sample."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from snnbench.errors import ConfigError

Transform = Callable[[Tensor], Tensor]


class SampleSource(Protocol):
    """Labelled samples, not yet transformed. `labels` is int64 `[N]` and needs no sample to be opened."""

    labels: np.ndarray

    def one(self, index: int) -> Tensor: ...

    def many(self, indices: np.ndarray) -> Tensor: ...


class ArraySource:
    """Samples in one array `[N, *]`, in memory or memory-mapped."""

    def __init__(self, array: np.ndarray, labels: np.ndarray):
        self.array, self.labels = array, np.asarray(labels, dtype=np.int64)

    def one(self, index: int) -> Tensor:
        # a copy: transforms may write in place, and a read-only memory map cannot become a tensor
        return torch.from_numpy(np.array(self.array[index]))

    def many(self, indices: np.ndarray) -> Tensor:
        return torch.from_numpy(self.array[indices])


class FileSource:
    """Image files that are decoded on access. Their sizes differ, so `many` cannot stack them and raises TypeError."""

    def __init__(self, folder: str, names: Sequence[str], labels: np.ndarray, decode: Callable[[str], Tensor]):
        # bytes in one block of memory: forked workers would come to copy a million str objects
        self.folder, self.names = folder, np.array([os.fsencode(name) for name in names])
        self.labels, self.decode = np.asarray(labels, dtype=np.int64), decode

    def one(self, index: int) -> Tensor:
        return self.decode(os.path.join(self.folder, os.fsdecode(self.names[index])))

    def many(self, indices: np.ndarray) -> Tensor:
        raise TypeError("images of different sizes need a sample transform before they can be stacked")


@contextmanager
def own_randomness() -> Iterator[Callable[[int], None]]:
    """Seed torch's, numpy's and python's CPU generators inside the block and put them back afterwards.

    The CUDA generator is not touched (torch.manual_seed would).
    """
    saved = torch.get_rng_state(), np.random.get_state(), random.getstate()

    def reseed(seed: int) -> None:
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)

    try:
        yield reseed
    finally:
        torch.set_rng_state(saved[0])
        np.random.set_state(saved[1])
        random.setstate(saved[2])


class SampledDataset(Dataset):
    """One split: positions -> `(x, target)`, fetched a batch at a time.

    Args:
        source: The source that holds all samples.
        indices: The indices of the samples in this split.
        sample_transform: The augmentation, which is applied to each sample under that sample's own seed, or None.
        batch_transform: A deterministic transform of the stacked batch (to float, normalise), or None.
    """

    def __init__(
        self,
        source: SampleSource,
        indices: np.ndarray,
        sample_transform: Transform | None,
        batch_transform: Transform | None,
    ):
        self.source, self.indices = source, indices
        self.sample_transform, self.batch_transform = sample_transform, batch_transform

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, key: int | tuple[int, int]) -> tuple[Tensor, Tensor]:
        x, y = self.__getitems__([key if isinstance(key, tuple) else (key, 0)])
        return x[0], y[0]

    def __getitems__(self, keys: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """A whole batch: x `[N, *]` float, targets int64 `[N]`. torch's fetcher calls this instead of __getitem__."""
        chosen = self.indices[[position for position, _ in keys]]
        if self.sample_transform is None:
            x = self.source.many(chosen)
        else:
            with own_randomness() as reseed:
                samples = []
                for index, (_, seed) in zip(chosen, keys):
                    reseed(seed)
                    samples.append(self.sample_transform(self.source.one(index)))
            x = torch.stack(samples)
        if self.batch_transform is not None:
            x = self.batch_transform(x)
        return x, torch.from_numpy(self.source.labels[chosen])


class Normalise:
    """`(x / scale - mean) / std` by channel, uint8 or float `[*, C, H, W]` -> float32.

    scale: the value of white in the stored data: 255 for every image data set, because augmentations count on it, and
    1 for event frames. mean, std: None leaves `x / scale`.
    """

    def __init__(self, scale: float, mean: Sequence[float] | None = None, std: Sequence[float] | None = None):
        self.scale = scale
        self.mean = None if mean is None else torch.tensor(list(mean)).view(-1, 1, 1)
        self.std = None if std is None else torch.tensor(list(std)).view(-1, 1, 1)

    @property
    def standardises(self) -> bool:
        """Whether mean and std change anything; else values lie in [0, 1]."""
        return any(v is not None and bool((v != plain).any()) for v, plain in ((self.mean, 0), (self.std, 1)))

    def to(self, device: torch.device) -> Normalise:
        """The same with its constants on `device`: the same operations in the same order, so the same bits."""
        moved = Normalise(self.scale)
        moved.mean = None if self.mean is None else self.mean.to(device)
        moved.std = None if self.std is None else self.std.to(device)
        return moved

    def __call__(self, x: Tensor) -> Tensor:
        x = x.to(torch.float32, copy=True)
        if self.scale != 1:
            x.div_(self.scale)
        if self.mean is not None:
            x.sub_(self.mean)
        if self.std is not None:
            x.div_(self.std)
        return x


def normaliser(channels: int, scale: float, mean: list[float] | None, std: list[float] | None) -> Normalise:
    """`Normalise` with a data set's `mean` and `std`.

    Raises:
        ConfigError: one of them has another length than the channels, or a std is not positive.
    """
    for name, values in (("mean", mean), ("std", std)):
        if values is not None and len(values) != channels:
            raise ConfigError(f"data.{name}={list(values)} must have one number for each of {channels} channels.")
    if std is not None and min(std) <= 0:
        raise ConfigError(f"data.std={list(std)} must be positive.")
    return Normalise(scale, mean, std)
