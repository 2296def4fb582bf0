"""Random operations on one sample, under the sampler's seed: crop, flip, hole, policy, erasing."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from snnbench.data.dataset import Normalise
from snnbench.errors import ConfigError


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


class KeepFrames:
    """Keep `count` of a sample's T frames, drawn without replacement, in their order."""

    def __init__(self, count: int):
        self.count = count

    def __call__(self, x: Tensor) -> Tensor:
        if self.count > x.shape[0]:
            raise ConfigError(f"augment.keep_frames={self.count} exceeds T={x.shape[0]}; lower it or raise T")
        return x[torch.randperm(x.shape[0])[: self.count].sort().values]


class Roll:
    """Shift circularly by uniform integers in [-reach, reach] along height and width."""

    def __init__(self, reach: int):
        self.reach = reach

    def __call__(self, x: Tensor) -> Tensor:
        shifts = (torch.randint(2 * self.reach + 1, (2,)) - self.reach).tolist()
        return x.roll(shifts, dims=(-2, -1))


class SometimesCutout:
    """With probability `prob`, a square hole whose side is uniform in 1..largest."""

    def __init__(self, largest: int, prob: float):
        self.largest, self.prob = largest, prob

    def __call__(self, x: Tensor) -> Tensor:
        if torch.rand(()).item() >= self.prob:
            return x
        return Cutout(1 + int(torch.randint(self.largest, ())))(x)


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
