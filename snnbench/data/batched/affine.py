"""PIL's affine transform for many pictures uint8 `[n, C, H, W]`, each with its own matrix, equal to PIL in every bit.

PIL maps pixel centres by the inverse matrix in float64 and truncates the interpolated value. For nearest neighbour it
uses 16.16 fixed point instead. Pictures are processed in slices that bound the memory of the float64 work tensors.
"""

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from snnbench.data.batched.stage import to_device

WORK = 1 << 22  # values of one float64 work tensor: 32 MiB
GEOMETRIC = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")


def inverse_matrix(name: str, magnitude: float, height: int, width: int) -> list[float]:
    """The rows (a, b, c), (d, e, f) that map output to input pixels for an operation of a torchvision policy."""
    if name == "Rotate":  # about the centre, counter-clockwise degrees; PIL rounds to 15 digits
        angle = -math.radians(magnitude % 360.0)
        cosine, sine, cx, cy = round(math.cos(angle), 15), round(math.sin(angle), 15), width / 2, height / 2
        back = round(-math.sin(angle), 15)
        return [cosine, sine, cosine * -cx + sine * -cy + cx, back, cosine, back * -cx + cosine * -cy + cy]
    if name in ("TranslateX", "TranslateY"):
        shift = -float(int(magnitude))
        return [1.0, 0.0, shift, 0.0, 1.0, 0.0] if name == "TranslateX" else [1.0, 0.0, 0.0, 0.0, 1.0, shift]
    angle = math.radians(math.degrees(math.atan(magnitude)))  # about the corner
    if name == "ShearX":
        return [1.0, math.tan(angle), 0.0, 0.0, 1.0, 0.0]
    upright = math.cos(-angle) / math.cos(angle)
    return [1.0, 0.0, 0.0, -math.sin(-angle) / math.cos(angle), upright, 0.0]


def affine(x: Tensor, matrices: np.ndarray, mode: Literal["nearest", "bilinear", "bicubic"], fill: Tensor) -> Tensor:
    """Transform `x` by `matrices` float64 `[n, 6]`. `fill`, uint8 `[C, 1]`, colours pixels from outside of `x`."""
    if mode == "nearest":
        return _nearest(x, matrices, fill)
    kernel, samples = (_bilinear if mode == "bilinear" else _bicubic), max(WORK // x[0].numel(), 1)
    parts = zip(x.split(samples), to_device(matrices, x.device).split(samples))
    return torch.cat([_interpolated(part, table, kernel, fill) for part, table in parts])


def _nearest(x: Tensor, matrices: np.ndarray, fill: Tensor) -> Tensor:
    count, channels, height, width = x.shape
    a, b, c, d, e, f = matrices.T
    corner = np.stack([a, b, c + a * 0.5 + b * 0.5, d, e, f + d * 0.5 + e * 0.5], axis=1)
    fixed = to_device(np.floor(corner * 65536.0 + 0.5).astype(np.int64), x.device).view(count, 6, 1, 1)
    rows = torch.arange(height, device=x.device).view(-1, 1)
    columns = torch.arange(width, device=x.device)
    at_x = (fixed[:, 0] * columns + fixed[:, 1] * rows + fixed[:, 2]) >> 16
    at_y = (fixed[:, 3] * columns + fixed[:, 4] * rows + fixed[:, 5]) >> 16
    outside = (at_x < 0) | (at_x >= width) | (at_y < 0) | (at_y >= height)
    index = at_y.clamp_(0, height - 1) * width + at_x.clamp_(0, width - 1)
    flat = x.reshape(count, channels, -1)
    out = flat.gather(2, index.view(count, 1, -1).expand_as(flat))
    return torch.where(outside.view(count, 1, -1), fill, out).view(x.shape)


def _interpolated(x: Tensor, matrices: Tensor, kernel, fill: Tensor) -> Tensor:
    count, channels, height, width = x.shape
    a, b, c, d, e, f = matrices.view(count, 6, 1, 1).unbind(1)
    rows = torch.arange(height, device=x.device, dtype=torch.float64).add_(0.5).view(-1, 1)
    columns = torch.arange(width, device=x.device, dtype=torch.float64).add_(0.5)
    at_x = a * columns + b * rows + c
    at_y = d * columns + e * rows + f
    outside = (at_x < 0) | (at_x >= width) | (at_y < 0) | (at_y >= height)
    at_x, at_y = at_x.sub_(0.5), at_y.sub_(0.5)
    left, top = at_x.floor(), at_y.floor()
    dx, dy = ((at - low).view(count, 1, -1) for at, low in ((at_x, left), (at_y, top)))
    flat, left, top = x.reshape(count, channels, -1), left.long(), top.long()

    def pixel(step_y: int, step_x: int) -> Tensor:
        """The pixel at (top + step_y, left + step_x), clamped to the border, float64 `[n, C, H * W]`."""
        index = (top + step_y).clamp_(0, height - 1) * width + (left + step_x).clamp_(0, width - 1)
        return flat.gather(2, index.view(count, 1, -1).expand_as(flat)).double()

    out = kernel(pixel, dx, dy).clamp_(0, 255).to(torch.uint8)
    return torch.where(outside.view(count, 1, -1), fill, out).view(x.shape)


def _bilinear(pixel, dx: Tensor, dy: Tensor) -> Tensor:
    def between(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
        return second.sub_(first).mul_(share).add_(first)

    upper = between(pixel(0, 0), pixel(0, 1), dx)
    return between(upper, between(pixel(1, 0), pixel(1, 1), dx), dy)


def _bicubic(pixel, dx: Tensor, dy: Tensor) -> Tensor:
    def through(v1: Tensor, v2: Tensor, v3: Tensor, v4: Tensor, d: Tensor) -> Tensor:
        square = (v1 - v2).mul_(2).add_(v3).sub_(v4)
        cube = (v2 - v1).sub_(v3).add_(v4)
        return cube.mul_(d).add_(square).mul_(d).add_(v3 - v1).mul_(d).add_(v2)

    lines = [through(*(pixel(row, column) for column in (-1, 0, 1, 2)), dx) for row in (-1, 0, 1, 2)]
    return through(*lines, dy)
