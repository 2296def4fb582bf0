"""Samples that live on the training device, and the loader that augments many batches of them at once.

A data set of small samples fits into a GPU's memory as stored (CIFAR-10: 184 MB), so nothing crosses the bus in an
epoch but the order and the augmentation's parameters. Some two hundred small kernels are paid once a chunk of about
5,000 CIFAR pictures; batches are views of a chunk. The order is the host loader's (`SeededSampler`, `EvalBatches`), and
so are the batches' bits where nothing is random.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from snnbench.data.batched.stage import Pipeline, to_device
from snnbench.data.dataset import ArraySource
from snnbench.data.sampling import EvalBatches, SeededSampler

CHUNK = 1 << 24  # values of one chunk: 5,461 CIFAR pictures, 64 MiB as float32
UPLOAD = 1 << 28  # bytes read from a (memory-mapped) array at a time
AUGMENTATION_STREAM = 2  # 0 is the order's, 1 the per-sample seeds' (sampling.py)

Batch = tuple[Tensor, Tensor]


def hold(source: ArraySource, indices: np.ndarray, device: torch.device) -> Batch:
    """The samples `indices` as stored and their targets int64, on `device`. It waits for the copy, once in a run."""
    stored = source.array
    x = torch.empty((len(indices), *stored.shape[1:]), dtype=torch.from_numpy(stored[:0].copy()).dtype, device=device)
    step = max(UPLOAD // max(stored[:1].nbytes, 1), 1)
    for start in range(0, len(indices), step):
        x[start : start + step] = source.many(indices[start : start + step]).to(device)
    return x, torch.from_numpy(source.labels[indices]).to(device)


class ResidentLoader:
    """Batches of held samples: device tensors `(x float32 [N, *], target int64 [N])`, views of an augmented chunk.

    Args:
        held: The samples and targets that `hold` returned.
        pipeline: The stages that turn stored samples into x.
        sampler: The order of the samples for this process.
        batch_size: The batch size of this process. Ignored for EvalBatches, which has its own.
        seed: The seed of the augmentation.
    """

    def __init__(
        self, held: Batch, pipeline: Pipeline, sampler: SeededSampler | EvalBatches, batch_size: int = 1, seed: int = 0
    ):
        self.x, self.y = held
        self.pipeline, self.seed, self.batch_size = pipeline, seed, batch_size
        self.sampler = sampler  # Lightning calls its set_epoch
        self.batch_sampler = None  # ... after looking for one here

    def __len__(self) -> int:
        if isinstance(self.sampler, SeededSampler):
            return math.ceil(len(self.sampler) / self.batch_size)
        return len(self.sampler)

    def batches(self) -> list[np.ndarray]:
        """This epoch's batches, each the samples' positions among the held ones."""
        if isinstance(self.sampler, SeededSampler):
            order = self.sampler.positions()
            return [order[at : at + self.batch_size] for at in range(0, len(order), self.batch_size)]
        return [np.array([position for position, _ in batch]) for batch in self.sampler]

    def __iter__(self) -> Iterator[Batch]:
        batches, epoch = self.batches(), getattr(self.sampler, "epoch", 0)
        rng = np.random.default_rng([self.seed, epoch, AUGMENTATION_STREAM])
        draws = self.pipeline.draw(rng, len(self.y))  # of every sample, also another rank's
        together = max(CHUNK // (self.x[0].numel() * max(len(batches[0]), 1)), 1)
        for start in range(0, len(batches), together):
            ready = deque(self._chunk(batches[start : start + together], draws))
            while ready:  # nothing here may hold the chunk's memory while the next one is made
                yield ready.popleft()

    @torch.no_grad()
    def _chunk(self, batches: list[np.ndarray], draws: list) -> Iterator[Batch]:
        rows, sizes = np.concatenate(batches), [len(batch) for batch in batches]
        at = to_device(rows, self.x.device)
        x = self.pipeline(self.x.index_select(0, at), draws, rows)
        return zip(x.split(sizes), self.y.index_select(0, at).split(sizes))
