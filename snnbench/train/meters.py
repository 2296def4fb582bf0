"""Sums of loss and correct answers that stay on the device: no host synchronisation inside an epoch."""

from __future__ import annotations

import time

import torch
from torch import Tensor


def tally(loss: Tensor, readout: Tensor, target: Tensor) -> Tensor:
    """The summed loss and the number of correct answers of a batch, float64 `[2]`. It does not wait for the device.

    Args:
        loss: The mean loss of the batch, 0-d.
        readout: The outputs `[N, K]`.
        target: Labels `[N]` or soft targets `[N, K]`, of which the largest class counts as right.
    """
    hard = target.argmax(1) if target.ndim == 2 else target
    correct = (readout.argmax(1) == hard).sum()
    return torch.stack([loss.detach().double() * len(hard), correct.double()])


class Meter:
    """Accuracy in percent, mean loss and samples/s since `start()`."""

    def __init__(self) -> None:
        self.sums: Tensor | None = None
        self.seen = 0
        self.seconds = 0.0

    def start(self) -> None:
        self.sums, self.seen, self.started = None, 0, time.perf_counter()

    def add(self, batch: Tensor, samples: int) -> None:
        """Add the `tally` of a batch of this many samples. The tensor may be overwritten afterwards."""
        self.sums = batch.clone() if self.sums is None else self.sums + batch
        self.seen += samples

    def stop(self, strategy=None) -> None:
        """End the epoch: read the clock and the sums over all ranks."""
        sums = torch.cat([self.sums, self.sums.new_tensor([self.seen])])
        if strategy is not None and strategy.world_size > 1:
            sums = strategy.reduce(sums, reduce_op="sum")
        loss, self.correct, self.count = sums.tolist()
        self.seconds = time.perf_counter() - self.started
        self.loss, self.accuracy = loss / self.count, 100.0 * self.correct / self.count

    @property
    def samples_per_s(self) -> float:
        return self.count / self.seconds
