"""The loader of samples that stay on the host, and the epoch whose samples a new loader takes first."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader

from snnbench.data.dataset import SampledDataset


def host_loader(data: SampledDataset, workers: int, seed: int, **batching) -> DataLoader:
    """A loader of whole batches.

    Args:
        data: one split; it returns batches.
        workers: processes that load, 0: this one.
        seed: of the generator that the loader draws from; without one, each epoch would draw from torch's global one.
        batching: DataLoader's `sampler`, `batch_size` and `drop_last`, or its `batch_sampler`.
    """
    return DataLoader(
        data,
        **batching,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        collate_fn=as_fetched,
        generator=torch.Generator().manual_seed(seed),
    )


def as_fetched(batch: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The collate function of a data set that already returns batches."""
    return batch


def next_epoch(trainer) -> int:
    """The epoch that a Lightning trainer is about to train, 0 without one.

    A resumed trainer makes the loader's iterator before it tells the sampler the epoch, and worker processes take
    their first batches as soon as the iterator exists.
    """
    return 0 if trainer is None else trainer.fit_loop.epoch_progress.current.processed
