"""Order and per-sample seeds that depend on (seed, epoch, index) alone.

A shuffled order from a global generator changes with the number of workers, with resuming and with every other draw.
Here the sampler computes the epoch's order and one seed for each sample from three numbers, so two workers, eight
ranks or a resumed run see the same images with the same augmentation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import Sampler

from snnbench.errors import ConfigError

Key = tuple[int, int]  # (position in the split, seed of this sample in this epoch)


def process_group() -> tuple[int, int]:
    """(rank, world size) of torch.distributed, or (0, 1) when it is not initialised."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def sample_seeds(size: int, seed: int, epoch: int) -> np.ndarray:
    """One uint32 seed for every sample: the splitmix64 finaliser (Steele et al. 2014) of a counter, `[size]`."""
    start = np.random.SeedSequence([seed, epoch, 1]).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):
        z = start + np.arange(size, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(32)).astype(np.uint32)


class SeededSampler(Sampler[Key]):
    """Shuffled training order: yields `(index, sample_seed)`; rank r gets elements r::world of every global batch.

    With `world > 1` the last, incomplete batch is cut to a multiple of `world` (at most world - 1 samples are left out
    of an epoch), because ranks must take the same number of steps with batches of the same size.

    Args:
        size: The number of samples in the split.
        seed: The seed of the order, together with the epoch.
        batch_size: The global batch size, counted over all processes.

    Raises:
        ConfigError: the global batch cannot be divided by the number of processes, or no batch would be left.
    """

    def __init__(self, size: int, seed: int, batch_size: int, *, drop_last: bool, rank: int = 0, world: int = 1):
        if batch_size % world:
            raise ConfigError(
                f"batch_size={batch_size} is the global batch and must be a multiple of the {world} processes: "
                f"use {batch_size - batch_size % world or world} or {batch_size + world - batch_size % world}."
            )
        remainder = size % batch_size
        last = 0 if drop_last else remainder - remainder % world
        self.used = size - remainder + last
        if self.used == 0:
            raise ConfigError(
                f"batch_size={batch_size} leaves no training batch of {size} samples (drop_last={drop_last}): "
                f"use a batch_size of at most {size}."
            )
        self.size, self.seed, self.batch_size = size, seed, batch_size
        self.rank, self.world, self.epoch = rank, world, 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.used // self.world

    def positions(self) -> np.ndarray:
        """This rank's samples of this epoch in their order, int64 `[len(self)]`."""
        order = np.random.default_rng([self.seed, self.epoch, 0]).permutation(self.size)[: self.used]
        # batch_size is a multiple of world, so a stride over the whole order is the stride within each batch
        return order[self.rank :: self.world]

    def __iter__(self) -> Iterator[Key]:
        seeds = sample_seeds(self.size, self.seed, self.epoch)
        for index in self.positions():
            yield int(index), int(seeds[index])


class EvalBatches(Sampler[list[Key]]):
    """Batches in order for evaluation: every sample exactly once over all ranks, no padding, same step count each.

    Rank r takes elements r::world of every global batch; a last batch with fewer samples than ranks is joined to the
    one before it, so that no rank is left without one.
    """

    def __init__(self, size: int, batch_size: int, *, rank: int = 0, world: int = 1):
        if size < world:
            raise ConfigError(f"{size} samples to evaluate cannot be shared by {world} processes: use fewer devices.")
        batch_size = max(batch_size, world)
        starts = list(range(0, size, batch_size))
        if len(starts) > 1 and size - starts[-1] < world:
            starts.pop()
        ends = [*starts[1:], size]
        self.batches = [[(i, 0) for i in range(a, b)][rank::world] for a, b in zip(starts, ends)]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)
