"""Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) on a batch that is already on its device.

Both are `w * x + (1 - w) * partner`: w is a number for mixup and a map of ones with a hole for CutMix; the label's
share is the mean of w. lam ~ Beta(alpha, alpha); the CutMix hole has sides sqrt(1 - lam) of the image's around a
uniform centre, clipped at the border (torchvision's v2.MixUp / v2.CutMix and the review's own code do the same).

Draws are made on the host and the device is never waited for: one draw a batch becomes numbers in a kernel's arguments,
one a sample travels through pinned memory.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from snnbench.data.batched.stage import to_device


class BatchMix:
    """Mix each sample with a partner of the same batch.

    Args:
        mixup, cutmix: alpha of the Beta distribution; 0 turns that one off.
        prob: probability that anything is mixed. switch_prob: probability of CutMix where both are on.
        per: one draw for the whole batch, or one for each sample.
        partner: batch rolled by one (torchvision, the review), reversed (timm) or shuffled.
        until_epoch: mixing stops at this epoch (timm's mixup_off_epoch); None = never.
    """

    def __init__(
        self,
        mixup: Annotated[float, ">= 0"] = 0.0,
        cutmix: Annotated[float, ">= 0"] = 0.0,
        prob: Annotated[float, "in [0, 1]"] = 1.0,
        switch_prob: Annotated[float, "in [0, 1]"] = 0.5,
        per: Literal["batch", "sample"] = "batch",
        partner: Literal["roll", "flip", "shuffle"] = "roll",
        until_epoch: int | None = None,
    ):
        self.mixup, self.cutmix, self.prob, self.switch_prob = mixup, cutmix, prob, switch_prob
        self.per, self.partner, self.until_epoch = per, partner, until_epoch

    def active(self, epoch: int) -> bool:
        """Whether batches of this epoch (counted from 0) are mixed."""
        return self.until_epoch is None or epoch < self.until_epoch

    def __call__(
        self, x: Tensor, y: Tensor, num_classes: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """x `[N, C, H, W]` or `[N, T, C, H, W]` (one draw for all T), y int64 `[N]` or soft `[N, K]`
        -> (x of the same shape, soft targets float32 `[N, K]`). Draws come from `generator` (global if None), which
        must be a CPU one on a GPU's step: its first number is read here.
        """
        target = one_hot(y, num_classes) if y.ndim == 1 else y.float()
        device = "cpu" if generator is None else generator.device
        rng = np.random.default_rng(torch.randint(2**62, (), generator=generator, device=device).item())
        count = 1 if self.per == "batch" else len(x)
        weight, share = self._draw(rng, count, x.shape[-2], x.shape[-1])
        if share.min() == 1:
            return x, target
        order = self._partners(rng, len(x), x.device)
        if count == 1:
            return _blended(x, order(x), weight[0]), torch.lerp(order(target), target, float(share[0]))
        weight = to_device(weight, x.device).to(x.dtype)
        weight = weight.view(count, *[1] * (x.ndim - 3), *weight.shape[1:])
        share = to_device(share.astype(np.float32), target.device).view(count, 1)
        return torch.lerp(order(x), x, weight), torch.lerp(order(target), target, share)

    def _draw(self, rng: np.random.Generator, count: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights of the sample itself, float32 `[count, 1 or H, 1 or W]`, and their means `[count]`."""
        mixed = rng.random(count) < self.prob
        cut = mixed & (rng.random(count) < self.switch_prob if self.mixup > 0 else True) & (self.cutmix > 0)
        blend = mixed & ~cut & (self.mixup > 0)
        lam = np.ones(count)
        if self.mixup > 0:
            lam = np.where(blend, rng.beta(self.mixup, self.mixup, count), lam)
        if not cut.any():
            return lam.astype(np.float32)[:, None, None], lam
        lam_cut = np.where(cut, rng.beta(self.cutmix, self.cutmix, count), 1.0)
        holes = _hole(rng, lam_cut, height)[:, :, None] & _hole(rng, lam_cut, width)[:, None, :]
        weight = np.where(cut[:, None, None], ~holes, lam[:, None, None]).astype(np.float32)
        return weight, np.where(cut, 1.0 - holes.mean(axis=(1, 2)), lam)

    def _partners(self, rng: np.random.Generator, size: int, device: torch.device):
        if self.partner == "roll":
            return lambda z: z.roll(1, 0)
        if self.partner == "flip":
            return lambda z: z.flip(0)
        order = to_device(rng.permutation(size), device)
        return lambda z: z[order]


def one_hot(y: Tensor, num_classes: int) -> Tensor:
    """float32 `[N, K]` of int64 `[N]`, without the look at the largest label that F.one_hot takes on some devices."""
    return torch.zeros(len(y), num_classes, device=y.device).scatter_(1, y[:, None], 1.0)


def _blended(x: Tensor, partner: Tensor, weight: np.ndarray) -> Tensor:
    """`weight * x + (1 - weight) * partner` for one number `[1, 1]` or one map `[H, W]` of ones with a hole."""
    if weight.size == 1:
        return torch.lerp(partner, x, weight.item())
    hole = np.flatnonzero(weight.min(axis=1) == 0), np.flatnonzero(weight.min(axis=0) == 0)
    rows, columns = (slice(at[0], at[-1] + 1) for at in hole)
    mixed = x.clone()
    mixed[..., rows, columns] = partner[..., rows, columns]
    return mixed


def _hole(rng: np.random.Generator, lam: np.ndarray, size: int) -> np.ndarray:
    """Which positions along one side lie in the hole: bool `[count, size]`."""
    centre = rng.integers(size, size=len(lam))
    half = (0.5 * np.sqrt(1.0 - lam) * size).astype(np.int64)
    at = np.arange(size)
    return (at >= (centre - half)[:, None]) & (at < (centre + half)[:, None])
