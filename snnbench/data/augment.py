"""Augmentation of still images: one draw for each sample, under the sampler's seed.

torchvision's v2 transforms draw once per call, so a batch given to them is flipped as a whole or not at all; here every
sample passes alone. The order is fixed: (resized) crop, flip, automatic policy, to float and normalise, erasing,
cutout. That is the order of the review's recipe and of timm; OTTT's code erases before it flips, which has the same
distribution. `batched` gives the same pipeline over many samples on their device (snnbench/data/batched).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from snnbench.data.batched import policy
from snnbench.data.batched.placement import Flip as FlipMove
from snnbench.data.batched.placement import PaddedCrop as PaddedCropMove
from snnbench.data.batched.placement import Placement
from snnbench.data.batched.rectangles import Cutout as BatchedCutout
from snnbench.data.batched.rectangles import Erasing
from snnbench.data.batched.stage import Normalised
from snnbench.data.batched.stage import Stage as BatchedStage
from snnbench.data.dataset import Normalise
from snnbench.data.mixing import Augment
from snnbench.errors import ConfigError

Stage = Callable[[Tensor], Tensor]
TRIVIAL_SHIFT = 32  # pixels by which TrivialAugmentWide moves a picture at most, whatever the picture's size


class ImageAugment(Augment):
    """A training pipeline on uint8 `[C, H, W]` of 0..255, and the mixing of batches that belongs to the same recipe.

    Args:
        crop_padding: zeros on each side, in pixels, before a random crop back to the picture's size; 0 turns it off.
        flip: probability that a picture is flipped from left to right.
        auto: an automatic policy, AutoAugment (Cubuk et al. 2019), TrivialAugmentWide (Mueller & Hutter 2021) or
            RandAugment (Cubuk et al. 2020); "none" turns it off.
        interpolation: how the policy's geometric operations and the resized crop compute pixels between the stored
            ones.
        auto_fill: colour that the policy's geometric operations put outside of the picture, black or the data's mean.
        rand_ops: number of operations that RandAugment (auto=rand) draws for a picture.
        rand_magnitude: strength of RandAugment's operations, the m of timm's `rand-m9-n1-mstd0.4`.
        rand_magnitude_std: standard deviation of that strength from one operation to the next, timm's mstd.
        rand_prob: probability that a drawn operation of RandAugment is applied (0.5 in timm).
        erasing: probability that a random rectangle of a picture is filled (Zhong et al. 2020); 0 turns it off.
        erasing_scale: [low, high] of the rectangle's share of the picture's area.
        erasing_ratio: [low, high] of the rectangle's aspect ratio.
        erasing_fill: what fills the rectangle after normalisation, zeros, noise of mean 0 and deviation 1 (timm's), or
            one random level of grey.
        cutout: side in pixels of one square hole of zeros in every picture (DeVries & Taylor 2017); 0 turns it off.
        resized_crop_scale: [low, high] of the share of the area that a random resized crop keeps; null turns it off.
        resized_crop_ratio: [low, high] of that crop's aspect ratio.
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
        mixup: Annotated[float, ">= 0"] = 0.0,
        cutmix: Annotated[float, ">= 0"] = 0.0,
        mix_prob: Annotated[float, "in [0, 1]"] = 1.0,
        mix_switch_prob: Annotated[float, "in [0, 1]"] = 0.5,
        mix_per: Literal["batch", "sample"] = "batch",
        mix_partner: Literal["roll", "flip", "shuffle"] = "roll",
        mix_until_epoch: int | None = None,
    ):
        super().__init__(mixup, cutmix, mix_prob, mix_switch_prob, mix_per, mix_partner, mix_until_epoch)
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
        """Raise ConfigError where these settings would empty pictures `shape` [C, H, W], or leave their range."""
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
        """The pipeline uint8 `[C, *, *]` -> float32 `shape`; None when nothing is random."""
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
        """The setting that has no batched form, or None: then `batched` gives the same distribution."""
        return None if self.resized_crop_scale is None else f"augment.resized_crop_scale={self.resized_crop_scale}"

    def batched(self, shape: tuple[int, int, int], normalise: Normalise, device: torch.device) -> list[BatchedStage]:
        """The same pipeline for many samples `shape` [C, H, W], uint8, at once on `device` -> float32."""
        size, normalised = tuple(shape[1:]), Normalised(normalise, device)
        stages: list[BatchedStage] = []
        moves = [PaddedCropMove(self.crop_padding)] if self.crop_padding else []
        moves += [FlipMove(self.flip)] if self.flip else []
        if moves:
            stages.append(Placement(moves))
        if self.auto != "none":
            stages.append(self._batched_policy(shape, normalise, device))
        stages.append(normalised)
        if self.erasing:
            rectangle = (self.erasing_scale, self.erasing_ratio, size, self.erasing_fill)
            stages.append(Erasing(self.erasing, *rectangle, normalised))
        if self.cutout:
            stages.append(BatchedCutout(size, self.cutout, self.cutout))
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
    """Raise ConfigError where a crop can miss the whole picture `shape` [C, H, W], or a hole can cover it."""
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


class PaddedCrop:
    """Zero-pad by `padding` on each side and crop back to the old size at a random place."""

    def __init__(self, padding: int):
        self.padding = padding

    def __call__(self, x: Tensor) -> Tensor:
        pad, (height, width) = self.padding, x.shape[-2:]
        top, left = torch.randint(2 * pad + 1, (2,)).tolist()
        return F.pad(x, (pad, pad, pad, pad))[..., top : top + height, left : left + width]


class Flip:
    """Mirror left and right with probability `prob`."""

    def __init__(self, prob: float):
        self.prob = prob

    def __call__(self, x: Tensor) -> Tensor:
        return x.flip(-1) if torch.rand(()).item() < self.prob else x


class Cutout:
    """Zero one square of side `size` around a uniform centre, clipped at the border; any leading axes share it."""

    def __init__(self, size: int):
        self.size = size

    def __call__(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        top = int(torch.randint(height, ())) - self.size // 2
        left = int(torch.randint(width, ())) - self.size // 2
        x = x.clone()
        x[..., max(top, 0) : max(top + self.size, 0), max(left, 0) : max(left + self.size, 0)] = 0
        return x


class OnPicture:
    """Run a policy on the picture's PIL form, as the published recipes do: for 32x32 a third faster than on tensors,
    and bicubic rotation exists only there. uint8 `[1 or 3, H, W]` in and out."""

    def __init__(self, policy: v2.Transform):
        self.policy = policy

    def __call__(self, x: Tensor) -> Tensor:
        pixels = x.permute(1, 2, 0).contiguous().numpy()
        picture = self.policy(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))
        pixels = np.array(picture)
        return torch.from_numpy(pixels[..., None] if pixels.ndim == 2 else pixels).permute(2, 0, 1).contiguous()


class GreyErasing(v2.RandomErasing):
    """Random erasing with one uniform grey level 0..255, as torchtoolbox's `Cutout` that OTTT's scripts import."""

    def __init__(self, prob: float, scale: list[float], ratio: list[float], normalise: Normalise):
        super().__init__(prob, scale, ratio)
        self.normalise = normalise

    def make_params(self, flat_inputs: list) -> dict:
        params = super().make_params(flat_inputs)
        if params["v"] is not None:
            grey = torch.randint(256, ()).float().expand(flat_inputs[0].shape[-3], 1, 1)
            params["v"] = self.normalise(grey)
        return params


class NoisyRandAugment(v2.RandAugment):
    """RandAugment with timm's magnitude noise and probability: `rand-m{magnitude}-n{ops}-mstd{std}`, p {prob}.

    Magnitudes run 0..10 as in timm; the operations are torchvision's 14 (timm's list has Invert and SolarizeAdd and no
    Identity), so this approximates timm's policy and is not equal to it.
    """

    BINS = 101  # torchvision picks a magnitude by bin: tenths of timm's 0..10

    def __init__(self, ops: int, magnitude: float, std: float, prob: float, *, interpolation, fill):
        super().__init__(num_ops=1, num_magnitude_bins=self.BINS, interpolation=interpolation, fill=fill)
        self.ops, self.level, self.std, self.prob = ops, magnitude, std, prob

    def forward(self, x: Image.Image) -> Image.Image:
        for _ in range(self.ops):
            if torch.rand(()).item() < self.prob:
                level = self.level + self.std * torch.randn(()).item()
                self.magnitude = round(min(max(level, 0.0), 10.0) * (self.BINS - 1) / 10)
                x = super().forward(x)
        return x
