"""PIL's colour operations on many pictures uint8 `[n, C, H, W]` (C 1 or 3), equal to PIL in every bit.

The per-sample path runs torchvision's policies on PIL pictures, so PIL's own arithmetic is the reference: float32
blends that are truncated, luma in 16-bit fixed point, an integer mean, a 3x3 smoothing that leaves the border alone.
Each function takes the pictures and one number per picture, `[n]` on the same device, and returns new pictures. They
must stay out of `torch.compile`, which may fuse a product with a sum and so round differently.
"""

import torch
from torch import Tensor

from snnbench.data.batched.stage import over_sample

LUMA = (19595, 38470, 7471)  # ITU-R 601-2 in 1/65536, as in PIL's convert("L")


def brightness(x: Tensor, factor: Tensor) -> Tensor:
    return _blend(torch.zeros_like(x), x, factor)


def colour(x: Tensor, factor: Tensor) -> Tensor:
    return x if x.shape[1] == 1 else _blend(_luma(x).to(torch.uint8), x, factor)


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Scale each pixel's distance from the picture's mean luma, which is rounded to a whole number first."""
    luma = _luma(x)
    pixels = luma[0].numel()
    mean = (2 * luma.sum(dim=(1, 2, 3), keepdim=True) + pixels) // (2 * pixels)
    return _blend(mean.to(torch.uint8), x, factor)


def sharpness(x: Tensor, factor: Tensor) -> Tensor:
    """Away from ImageFilter.SMOOTH: weights 1, in the centre 5, over 13."""
    if min(x.shape[-2:]) < 3:
        return x
    wide = x.to(torch.int16)
    rows = wide[..., :-2] + wide[..., 1:-1] + wide[..., 2:]
    total = rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :] + 4 * wide[..., 1:-1, 1:-1]
    smooth = x.clone()
    smooth[..., 1:-1, 1:-1] = (2 * total + 13) // 26
    return _blend(smooth, x, factor)


def posterize(x: Tensor, mask: Tensor) -> Tensor:
    return x & over_sample(mask.to(torch.uint8), x)


def solarize(x: Tensor, threshold: Tensor) -> Tensor:
    return torch.where(x < over_sample(threshold.to(torch.uint8), x), x, 255 - x)


def invert(x: Tensor, _: Tensor) -> Tensor:
    return 255 - x


def autocontrast(x: Tensor, _: Tensor) -> Tensor:
    """Each channel's darkest and lightest value to 0 and 255; the table is computed in float64 as in python."""
    low = x.amin(dim=(2, 3), keepdim=True).double()
    high = x.amax(dim=(2, 3), keepdim=True).double()
    scale = torch.full_like(low, 255.0) / (high - low).clamp_(min=1.0)  # 255 / tensor would multiply by 1 / tensor
    stretched = x.double().mul_(scale).add_(-low * scale).clamp_(0, 255).to(torch.uint8)
    return torch.where(high > low, stretched, x)


def equalize(x: Tensor, _: Tensor) -> Tensor:
    """Each channel's values by their cumulative histogram; unchanged where a step would be less than one pixel."""
    count, channels, *_ = x.shape
    flat = x.reshape(count * channels, -1).long()
    bins = torch.arange(count * channels, device=x.device)[:, None] * 256
    histogram = torch.zeros(count * channels * 256, dtype=torch.int32, device=x.device)
    histogram.scatter_add_(0, (flat + bins).view(-1), torch.ones_like(histogram[:1]).expand(flat.numel()))
    histogram = histogram.view(-1, 256)
    lightest = histogram.gather(1, flat.amax(dim=1, keepdim=True))
    step = (flat.shape[1] - lightest) // 255
    below = histogram.cumsum(1, dtype=torch.int32) - histogram
    table = ((below + step // 2) // step.clamp(min=1)).clamp_(max=255).to(torch.uint8)
    table = torch.where(step > 0, table, torch.arange(256, device=x.device, dtype=torch.uint8))
    return table.gather(1, flat).view(x.shape)


def _luma(x: Tensor) -> Tensor:
    """`[n, 1, H, W]` int32 of 0..255."""
    if x.shape[1] == 1:
        return x.int()
    red, green, blue = (x[:, k : k + 1].int() * weight for k, weight in enumerate(LUMA))
    return (red + green + blue + 0x8000) >> 16


def _blend(degenerate: Tensor, x: Tensor, factor: Tensor) -> Tensor:
    """`degenerate + factor * (x - degenerate)` in float32, clipped and truncated: PIL's Image.blend."""
    low = degenerate.float()
    mixed = (x.float() - low).mul_(over_sample(factor.float(), x)).add_(low)
    return mixed.clamp_(0, 255).to(torch.uint8)
