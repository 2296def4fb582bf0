"""Mixup and CutMix over an epoch: the numbers of all its batches are drawn with the first of them."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from snnbench.data.mixing import MIXING_STREAM, BatchMix, Mixture


class EpochMixing:
    """Mixes each batch of an epoch as `mix` says; the numbers depend on (seed, epoch, process) alone.

    Args:
        mix: how batches are mixed; None leaves every batch as it is.
        num_classes: number of classes K of the soft targets.
        seed: seed of the run.
    """

    def __init__(self, mix: BatchMix | None, num_classes: int, seed: int):
        self.mix, self.num_classes, self.seed = mix, num_classes, seed
        self._mixtures: list[Mixture] = []

    def __call__(
        self, x: Tensor, target: Tensor, batch_index: int, *, epoch: int, batches: int, rank: int
    ) -> tuple[Tensor, Tensor]:
        """The batch to train on, (samples, targets); where it is mixed, the targets are soft, float32 `[N, K]`.

        Args:
            x: Samples `[N, C, H, W]` or `[N, T, C, H, W]`.
            target: Labels `[N]` or soft targets `[N, K]`.
            batch_index: Place of the batch in the epoch; the epoch's numbers are drawn at 0.
            epoch: The epoch, counted from 0.
            batches: Number of batches of the epoch.
            rank: Number of this process.
        """
        if self.mix is None or not self.mix.active(epoch):
            return x, target
        if batch_index == 0:
            rng = np.random.default_rng((self.seed, epoch, MIXING_STREAM, rank))
            self._mixtures = self.mix.draw(rng, batches, len(x), *x.shape[-2:])
        return self.mix(x, target, self.num_classes, self._mixtures[batch_index])
