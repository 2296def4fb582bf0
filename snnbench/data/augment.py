"""Augmentation of still images. Each sample draws its own random numbers, seeded by the sampler.

torchvision's v2 transforms draw once per call: a batch given to them would be flipped as a whole or not at all. The
transforms are therefore called on one sample at a time. The order is fixed: (resized) crop, flip, automatic policy,
conversion to float with normalisation, erasing, cutout. The review's recipe and timm use the same order. OTTT's code
erases before it flips, which gives the same distribution. `batched` builds the same pipeline for many samples at once
on their device (snnbench/data/batched).
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from snnbench.data.batched import placement, policy, rectangles
from snnbench.data.batched.stage import Normalised
from snnbench.data.batched.stage import Stage as BatchedStage
from snnbench.data.dataset import Normalise
from snnbench.data.mixing import MixedAugment
from snnbench.data.operations import Cutout, Flip, GreyErasing, NoisyRandAugment, OnPicture, PaddedCrop
from snnbench.errors import ConfigError

Stage = Callable[[Tensor], Tensor]
TRIVIAL_SHIFT = 32  # TrivialAugmentWide moves a picture by up to this many pixels, whatever the picture's size


class ImageAugment(MixedAugment):
    """A training pipeline for uint8 pictures `[C, H, W]` of 0..255, and the recipe's mixing of whole batches.

    Args:
        crop_padding: The number of zero pixels added on each side before a random crop back to the picture's size. 0
            turns the crop off.
        flip: The probability that a picture is flipped from left to right.
        auto: The automatic policy, which is AutoAugment (Cubuk et al. 2019), TrivialAugmentWide (Mueller & Hutter 2021)
            or RandAugment (Cubuk et al. 2020). "none" turns it off.
        interpolation: The interpolation of the policy's geometric operations and of the resized crop.
        auto_fill: The colour of the area that a geometric operation of the policy leaves empty. It is black or the
            data's mean.
        rand_ops: The number of operations that RandAugment (auto=rand) draws for a picture.
        rand_magnitude: The mean strength of RandAugment's operations, called m in timm's `rand-m9-n1-mstd0.4`.
        rand_magnitude_std: The standard deviation of that strength between operations, called mstd in timm.
        rand_prob: The probability that RandAugment applies an operation that it has drawn (0.5 in timm).
        erasing: The probability that a random rectangle of a picture is erased (Zhong et al. 2020). 0 turns it off.
        erasing_scale: The range [low, high] of the rectangle's area, as a share of the picture's area.
        erasing_ratio: The range [low, high] of the rectangle's ratio of height to width.
        erasing_fill: The content of an erased rectangle. "zero" writes zeros after normalisation, "noise" writes normal
            noise of mean 0 and deviation 1 after normalisation (as timm does), and "grey" writes one random grey level.
        cutout: The side in pixels of a square hole of zeros in every picture (DeVries & Taylor 2017). 0 turns it off.
        resized_crop_scale: The range [low, high] of the share of the picture's area that a random resized crop keeps.
            Null turns the crop off.
        resized_crop_ratio: The range [low, high] of that crop's ratio of width to height.
    """

    requires = {  # noqa: RUF012
        "images": "it changes still images; for event frames and audio use augment=events_none or another events_*",
    }

    def __init__(
        self,
        crop_padding: Annotated[int, ">= 0"] = 0,
        flip: Annotated[float, "in [0, 1]"] = 0.0,
        auto: Literal["none", "autoaugment_cifar10", "autoaugment_imagenet", "trivial_wide", "rand"] = "none",
        interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
        auto_fill: Literal["black", "mean"] = "black",
        rand_ops: Annotated[int, ">= 1"] = 1,
        rand_magnitude: Annotated[float, "in [0, 10]"] = 9.0,
        rand_magnitude_std: Annotated[float, ">= 0"] = 0.0,
        rand_prob: Annotated[float, "in [0, 1]"] = 1.0,
        erasing: Annotated[float, "in [0, 1]"] = 0.0,
        erasing_scale: list[float] = (0.02, 0.33),
        erasing_ratio: list[float] = (0.3, 3.3),
        erasing_fill: Literal["zero", "noise", "grey"] = "zero",
        cutout: Annotated[int, ">= 0"] = 0,
        resized_crop_scale: list[float] | None = None,
        resized_crop_ratio: list[float] = (0.75, 1.3333333333333333),
        **rest,
    ):
        super().__init__(**rest)
        ranges = {
            "erasing_scale": erasing_scale,
            "erasing_ratio": erasing_ratio,
            "resized_crop_scale": resized_crop_scale,
            "resized_crop_ratio": resized_crop_ratio,
        }
        for name, pair in ranges.items():
            if pair is not None and (len(pair) != 2 or not 0 < pair[0] <= pair[1]):
                raise ConfigError(f"augment.{name}={list(pair)} must be two numbers [low, high] with 0 < low <= high.")
            if pair is not None and name.endswith("_scale") and pair[1] > 1:
                raise ConfigError(f"augment.{name}={list(pair)} must be shares of the picture's area, at most 1.")
        self.crop_padding, self.flip, self.auto, self.cutout = crop_padding, flip, auto, cutout
        self.interpolation, self.auto_fill = InterpolationMode(interpolation), auto_fill
        self.rand = (rand_ops, rand_magnitude, rand_magnitude_std, rand_prob)
        self.erasing, self.erasing_fill = erasing, erasing_fill
        self.erasing_scale, self.erasing_ratio = list(erasing_scale), list(erasing_ratio)
        self.resized_crop_scale, self.resized_crop_ratio = resized_crop_scale, list(resized_crop_ratio)

    def refuse_misfit(self, shape: tuple[int, int, int], time_steps: int, normalise: Normalise | None) -> None:
        """Raise ConfigError if these settings could empty pictures of `shape` [C, H, W] or leave their value range."""
        refuse_emptying(self.crop_padding, self.cutout, shape)
        if self.auto == "trivial_wide" and min(shape[1:]) < TRIVIAL_SHIFT:
            raise ConfigError(
                f"augment.auto=trivial_wide moves pictures by up to {TRIVIAL_SHIFT} pixels, which empties pictures of "
                f"{shape[1]}x{shape[2]}: use augment.auto=rand, whose steps follow the size, or augment.auto=none."
            )
        if self.erasing and self.erasing_fill == "noise" and normalise is not None and not normalise.standardises:
            raise ConfigError(
                "augment.erasing_fill=noise has deviation 1, which fits data that data.mean and data.std bring there, "
                "but these lie in [0, 1]: use augment.erasing_fill=grey or zero."
            )

    def for_training(self, shape: tuple[int, int, int], normalise: Normalise) -> Stage | None:
        """The pipeline from uint8 `[C, *, *]` to float32 of `shape`, or None if no setting is random."""
        size = tuple(shape[1:])
        stages: list[Stage] = []
        if self.resized_crop_scale is not None:
            stages.append(v2.RandomResizedCrop(size, self.resized_crop_scale, self.resized_crop_ratio,
                                               self.interpolation, antialias=True))  # fmt: skip
        if self.crop_padding:
            stages.append(PaddedCrop(self.crop_padding))
        if self.flip:
            stages.append(Flip(self.flip))
        if self.auto != "none":
            stages.append(OnPicture(self._policy(normalise)))
        random_after = []
        if self.erasing:
            random_after.append(self._erasing(normalise))
        if self.cutout:
            random_after.append(Cutout(self.cutout))
        if not stages and not random_after:
            return None
        return v2.Compose([*stages, normalise, *random_after])

    def unbatched(self) -> str | None:
        """The setting that has no batched form, as text. None means that `batched` has the same distribution."""
        return None if self.resized_crop_scale is None else f"augment.resized_crop_scale={self.resized_crop_scale}"

    def batched(self, shape: tuple[int, int, int], normalise: Normalise, device: torch.device) -> list[BatchedStage]:
        """The same pipeline for a batch of uint8 samples of `shape` [C, H, W] on `device`. It returns float32."""
        size, normalised = tuple(shape[1:]), Normalised(normalise, device)
        stages: list[BatchedStage] = []
        moves = [placement.PaddedCrop(self.crop_padding)] if self.crop_padding else []
        moves += [placement.Flip(self.flip)] if self.flip else []
        if moves:
            stages.append(placement.Placement(moves))
        if self.auto != "none":
            stages.append(self._batched_policy(shape, normalise, device))
        stages.append(normalised)
        if self.erasing:
            rectangle = (self.erasing_scale, self.erasing_ratio, size, self.erasing_fill)
            stages.append(rectangles.Erasing(self.erasing, *rectangle, normalised))
        if self.cutout:
            stages.append(rectangles.Cutout(size, self.cutout, self.cutout))
        return stages

    def _batched_policy(self, shape: tuple[int, int, int], normalise: Normalise, device: torch.device) -> BatchedStage:
        settings = {
            "shape": tuple(shape),
            "interpolation": self.interpolation.value,
            "fill": self._fill(normalise),
            "device": device,
        }
        if self.auto == "trivial_wide":
            return policy.TrivialAugmentWide(**settings)
        if self.auto == "rand":
            return policy.NoisyRandAugment(*self.rand, NoisyRandAugment.BINS, **settings)
        return policy.AutoAugment(self._sub_policies(), **settings)

    def _fill(self, normalise: Normalise) -> list[int] | None:
        if self.auto_fill != "mean" or normalise.mean is None:
            return None
        return [round(255 * m) for m in normalise.mean.flatten().tolist()]

    def _sub_policies(self) -> v2.AutoAugmentPolicy:
        return v2.AutoAugmentPolicy.CIFAR10 if self.auto == "autoaugment_cifar10" else v2.AutoAugmentPolicy.IMAGENET

    def _policy(self, normalise: Normalise) -> Stage:
        fill = self._fill(normalise)
        if self.auto == "trivial_wide":
            return v2.TrivialAugmentWide(interpolation=self.interpolation, fill=fill)
        if self.auto == "rand":
            return NoisyRandAugment(*self.rand, interpolation=self.interpolation, fill=fill)
        return v2.AutoAugment(self._sub_policies(), interpolation=self.interpolation, fill=fill)

    def _erasing(self, normalise: Normalise) -> Stage:
        if self.erasing_fill == "grey":
            return GreyErasing(self.erasing, self.erasing_scale, self.erasing_ratio, normalise)
        value = 0 if self.erasing_fill == "zero" else "random"
        return v2.RandomErasing(self.erasing, self.erasing_scale, self.erasing_ratio, value=value)


def refuse_emptying(crop_padding: int, cutout: int, shape: tuple[int, int, int]) -> None:
    """Raise ConfigError if a crop can miss the whole picture `shape` [C, H, W], or if a hole can cover it."""
    height, width = shape[1:]
    if crop_padding >= min(height, width):
        raise ConfigError(
            f"augment.crop_padding={crop_padding} lets a crop of {height}x{width} miss the whole picture: use less "
            f"than {min(height, width)}."
        )
    if cutout >= max(height, width):
        raise ConfigError(
            f"augment.cutout={cutout} can cover a whole picture of {height}x{width}: use less than "
            f"{max(height, width)}, for instance {max(height, width) // 2}, or 0 for no hole."
        )
