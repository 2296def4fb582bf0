"""Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) on a batch that is already on its device.

Both compute `w * x + (1 - w) * partner`. For mixup, w is the number lam ~ Beta(alpha, alpha). For CutMix, w is a map
that is 0 inside a rectangle and 1 elsewhere. The rectangle's sides are sqrt(1 - lam) times those of the image, its
centre is uniform, and it is clipped at the border. The sample's own label counts with the mean of w. torchvision's
v2.MixUp and v2.CutMix and the review's code do the same.

The host draws the numbers of a whole epoch at once, because drawing them in each step would take longer than the step
of a small network. The host never waits for the device: a draw for a whole batch is passed as plain numbers, and draws
for single samples are copied through pinned memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from snnbench.data.batched.stage import to_device

MIXING_STREAM = 3  # number of this random stream under a seed; data/sampling.py and data/resident.py use 0 to 2


@dataclass(frozen=True)
class Mixture:
    """How one batch of N samples is mixed. n is 1 if all samples share one draw, and N if each has its own.

    Args:
        weight: The factor of a sample's pixels, float32 `[n]`. The partner's pixels get 1 - weight.
        box: The top, bottom, left and right of the partner's rectangle, int64 `[n, 4]`. It is empty for mixup.
        share: The weight of a sample's own label, float32 `[n]`.
        order: The index of each sample's partner, int64 `[N]`. It is None unless partners are shuffled.
    """

    weight: np.ndarray
    box: np.ndarray
    share: np.ndarray
    order: np.ndarray | None


@dataclass(frozen=True)
class BatchMix:
    """Mix each sample with a partner of the same batch. `MixedAugment` explains the arguments, there named mix_*."""

    mixup: float = 0.0
    cutmix: float = 0.0
    prob: float = 1.0
    switch_prob: float = 0.5
    per: Literal["batch", "sample"] = "batch"
    partner: Literal["roll", "flip", "shuffle"] = "roll"
    until_epoch: int | None = None

    def active(self, epoch: int) -> bool:
        """True if the batches of this epoch (counted from 0) are mixed."""
        return self.until_epoch is None or epoch < self.until_epoch

    def draw(self, rng: np.random.Generator, batches: int, size: int, height: int, width: int) -> list[Mixture]:
        """Draw the mixtures of `batches` batches, each of `size` samples with images of height x width pixels."""
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
