"""Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) on a batch that is already on its device.

Both are `w * x + (1 - w) * partner`: w is a number for mixup and a map of ones with a hole for CutMix; the label's
share is the mean of w. lam ~ Beta(alpha, alpha); the CutMix hole has sides sqrt(1 - lam) of the image's around a
uniform centre, clipped at the border (torchvision's v2.MixUp / v2.CutMix and the review's own code do the same).

An epoch's numbers are drawn at once on the host, since a small network's step is over before a hundred calls of numpy
are, and the device is never waited for: one draw a batch becomes numbers in a kernel's arguments, one a sample travels
through pinned memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from snnbench.data.batched.stage import to_device

MIXING_STREAM = 3  # of a seed's random numbers; data/sampling.py and data/resident.py have 0 to 2


@dataclass(frozen=True)
class Mixture:
    """What one batch is mixed with, n = 1 for all its samples or one for each.

    weight: of the sample beside its partner, float32 `[n]`. box: top, bottom, left and right of what is the partner's,
    int64 `[n, 4]`, empty for mixup. share: of the sample in its label, float32 `[n]`. order: the samples' partners,
    int64 `[N]`, where they are shuffled.
    """

    weight: np.ndarray
    box: np.ndarray
    share: np.ndarray
    order: np.ndarray | None


@dataclass(frozen=True)
class BatchMix:
    """Mix each sample with a partner of the same batch; the arguments are `MixedAugment`'s, without "mix_"."""

    mixup: float = 0.0
    cutmix: float = 0.0
    prob: float = 1.0
    switch_prob: float = 0.5
    per: Literal["batch", "sample"] = "batch"
    partner: Literal["roll", "flip", "shuffle"] = "roll"
    until_epoch: int | None = None

    def active(self, epoch: int) -> bool:
        """Whether batches of this epoch (counted from 0) are mixed."""
        return self.until_epoch is None or epoch < self.until_epoch

    def draw(self, rng: np.random.Generator, batches: int, size: int, height: int, width: int) -> list[Mixture]:
        """The mixtures of so many batches of `size` samples whose images are height x width."""
        shape = (batches, 1 if self.per == "batch" else size)
        mixed = rng.random(shape) < self.prob
        cut = mixed & (rng.random(shape) < self.switch_prob if self.mixup > 0 else True) & (self.cutmix > 0)
        weight = share = np.ones(shape)
        if self.mixup > 0:
            weight = share = np.where(mixed & ~cut, rng.beta(self.mixup, self.mixup, shape), 1.0)
        box = np.zeros((*shape, 4), np.int64)
        if self.cutmix > 0:
            lam = np.where(cut, rng.beta(self.cutmix, self.cutmix, shape), 1.0)
            top, bottom = _hole(rng, lam, height)
            left, right = _hole(rng, lam, width)
            box = np.stack([top, bottom, left, right], axis=-1)
            share = np.where(cut, 1.0 - (bottom - top) * (right - left) / (height * width), share)
        orders = [None] * batches
        if self.partner == "shuffle":
            orders = rng.permuted(np.tile(np.arange(size), (batches, 1)), axis=1)
        weight, share = weight.astype(np.float32), share.astype(np.float32)
        return [Mixture(*numbers) for numbers in zip(weight, box, share, orders)]

    def __call__(self, x: Tensor, y: Tensor, num_classes: int, mixture: Mixture) -> tuple[Tensor, Tensor]:
        """x `[N, C, H, W]` or `[N, T, C, H, W]` (one draw for all T), y int64 `[N]` or soft `[N, K]`
        -> (x of the same shape, soft targets float32 `[N, K]`); N may be less than the mixture was drawn for.
        """
        target = one_hot(y, num_classes) if y.ndim == 1 else y.float()
        weight, box, share = mixture.weight[: len(x)], mixture.box[: len(x)], mixture.share[: len(x)]
        if share.min() == 1:
            return x, target
        partner = self._partners(mixture.order, len(x), x.device)
        if self.per == "batch":
            own = float(share[0])
            return _blended(x, partner, float(weight[0]), *box[0].tolist()), torch.lerp(partner(target), target, own)
        weight = to_device(_maps(weight, box, *x.shape[-2:]), x.device).to(x.dtype)
        weight = weight.view(len(x), *[1] * (x.ndim - 3), *weight.shape[1:])
        share = to_device(share, target.device).view(-1, 1)
        return torch.lerp(partner(x), x, weight), torch.lerp(partner(target), target, share)

    def _partners(self, order: np.ndarray | None, size: int, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Of a tensor `[N, *]`, every row's partner."""
        if self.partner == "roll":
            return lambda z: z.roll(1, 0)
        if self.partner == "flip":
            return lambda z: z.flip(0)
        at = to_device(order[order < size], device)
        return lambda z: z[at]


def one_hot(y: Tensor, num_classes: int) -> Tensor:
    """float32 `[N, K]` of int64 `[N]`, without the look at the largest label that F.one_hot takes on some devices."""
    return torch.zeros(len(y), num_classes, device=y.device).scatter_(1, y[:, None], 1.0)


def _blended(x: Tensor, partner: Callable, weight: float, top: int, bottom: int, left: int, right: int) -> Tensor:
    """All samples beside their partners, or with the partners' box."""
    if bottom == top:
        return torch.lerp(partner(x), x, weight)
    mixed, box = x.clone(), (..., slice(top, bottom), slice(left, right))
    mixed[box] = partner(x[box])
    return mixed


def _maps(weight: np.ndarray, box: np.ndarray, height: int, width: int) -> np.ndarray:
    """Each sample's weight, 0 inside its box: float32 `[N, H, W]`."""
    top, bottom, left, right = box.T[..., None]
    rows, columns = np.arange(height), np.arange(width)
    inside = ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :]
    return np.where(inside, np.float32(0), weight[:, None, None])


def _hole(rng: np.random.Generator, lam: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """First position and end along one side, int64 like lam; equal where lam is 1."""
    centre = rng.integers(size, size=lam.shape)
    half = (0.5 * np.sqrt(1.0 - lam) * size).astype(np.int64)
    return np.maximum(centre - half, 0), np.minimum(centre + half, size)


class MixedAugment:
    """What every augmentation has: `mix`, the mixing of its batches, or None where both alphas are 0.

    Args:
        mixup: alpha of the Beta distribution from which mixup draws a sample's weight beside its partner; 0 turns
            mixup off.
        cutmix: alpha of the Beta distribution from which CutMix draws the share that a sample keeps; 0 turns CutMix
            off.
        mix_prob: probability that anything is mixed, where mixup or CutMix is on.
        mix_switch_prob: probability of CutMix instead of mixup, where both are on.
        mix_per: one draw for the whole batch, or one for each sample.
        mix_partner: the partners are the batch rolled by one (torchvision, the survey), reversed (timm) or shuffled.
        mix_until_epoch: epoch from which on nothing is mixed (timm's mixup_off_epoch); null mixes to the end.
    """

    def __init__(
        self,
        mixup: Annotated[float, ">= 0"] = 0.0,
        cutmix: Annotated[float, ">= 0"] = 0.0,
        mix_prob: Annotated[float, "in [0, 1]"] = 1.0,
        mix_switch_prob: Annotated[float, "in [0, 1]"] = 0.5,
        mix_per: Literal["batch", "sample"] = "batch",
        mix_partner: Literal["roll", "flip", "shuffle"] = "roll",
        mix_until_epoch: int | None = None,
    ):
        settings = (mixup, cutmix, mix_prob, mix_switch_prob, mix_per, mix_partner, mix_until_epoch)
        self.mix = BatchMix(*settings) if mixup > 0 or cutmix > 0 else None
