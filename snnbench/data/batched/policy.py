"""Automatic augmentation policies for many pictures: each operation runs once, on all pictures that drew it.

Operations, magnitudes, signs and AutoAugment's sub-policies are read from torchvision's classes, so that the draws have
torchvision's distribution. TrivialAugment: Mueller & Hutter 2021; AutoAugment: Cubuk et al. 2019; RandAugment
with timm's noise: see `augment.NoisyRandAugment`.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from snnbench.data.batched import colour
from snnbench.data.batched.affine import GEOMETRIC, affine, inverse_matrix
from snnbench.data.batched.stage import Draws, to_device

NOTHING = -1
COLOUR: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Brightness": colour.brightness,
    "Color": colour.colour,
    "Contrast": colour.contrast,
    "Sharpness": colour.sharpness,
    "Posterize": colour.posterize,
    "Solarize": colour.solarize,
    "AutoContrast": colour.autocontrast,
    "Equalize": colour.equalize,
    "Invert": colour.invert,
}


class Policy:
    """A stage that applies `steps` operations, one after the other, to pictures uint8 `[n, C, H, W]`.

    Args:
        space: torchvision's `_AUGMENTATION_SPACE`, a dictionary of name -> (magnitude of each bin, signed).
        bins: The number of magnitudes of an operation.
        shape: The (C, H, W) of a picture.
        interpolation: The interpolation of geometric operations.
        fill: The colour, C numbers, of the area that a geometric operation leaves empty. None means black.
    """

    def __init__(
        self,
        space: dict,
        bins: int,
        *,
        shape: tuple[int, int, int],
        interpolation: str,
        fill: list[int] | None,
        device: torch.device,
    ):
        channels, height, width = shape
        self.names, self.bins, self.mode = list(space), bins, interpolation
        self.fill = torch.tensor(fill or [0] * channels, dtype=torch.uint8).view(-1, 1).to(device)
        self.signed = np.array([signed for _, signed in space.values()])
        self.magnitudes = np.zeros((len(space), bins))
        for op, (by_bin, _) in enumerate(space.values()):
            values = by_bin(bins, height, width)
            if values is not None:
                self.magnitudes[op] = [float(value) for value in values]
        self.matrices = np.zeros((len(space), bins, 2, 6))  # [..., 1, :] with the sign turned
        for op, name in enumerate(self.names):
            if name in GEOMETRIC:
                for at, magnitude in enumerate(self.magnitudes[op]):
                    for turned, sign in enumerate((1.0, -1.0)):
                        self.matrices[op, at, turned] = inverse_matrix(name, sign * magnitude, height, width)

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Draw op (an index into `names`, or NOTHING), bin and turned (a negative sign), each `[count, steps]`."""
        raise NotImplementedError

    def _signs(self, rng: np.random.Generator, op: np.ndarray) -> np.ndarray:
        return (rng.random(op.shape) < 0.5) & self.signed[op]

    def __call__(self, x: Tensor, draws: Draws) -> Tensor:
        for step in range(draws["op"].shape[1]):
            x = self._step(x, draws["op"][:, step], draws["bin"][:, step], draws["turned"][:, step].astype(np.int64))
        return x

    def _step(self, x: Tensor, op: np.ndarray, at: np.ndarray, turned: np.ndarray) -> Tensor:
        """Apply one operation to each picture. Rows and arguments of all groups are copied in one transfer each."""
        groups = []
        for kind in ("affine", *COLOUR):
            names = GEOMETRIC if kind == "affine" else (kind,)
            rows = np.flatnonzero(np.isin(op, [k for k, name in enumerate(self.names) if name in names]))
            if len(rows):
                groups.append((kind, rows))
        if not groups:
            return x
        rows = np.concatenate([rows for _, rows in groups])
        sizes = [len(rows) for _, rows in groups]
        arguments = np.concatenate([self._arguments(kind, op[r], at[r], turned[r]) for kind, r in groups])
        pieces = zip(groups, to_device(rows, x.device).split(sizes), to_device(arguments, x.device).split(sizes))
        for (kind, r), where, argument in pieces:
            chosen = x.index_select(0, where)
            if kind == "affine":
                chosen = affine(chosen, self.matrices[op[r], at[r], turned[r]], self.mode, self.fill)
            else:
                chosen = COLOUR[kind](chosen, argument)
            x = x.index_copy_(0, where, chosen)
        return x

    def _arguments(self, kind: str, op: np.ndarray, at: np.ndarray, turned: np.ndarray) -> np.ndarray:
        """The argument of a colour operation, float64 `[n]`: a factor, a bit mask or a threshold."""
        magnitude = self.magnitudes[op, at] * (1 - 2 * turned)
        if kind == "Posterize":
            return 256 - 2.0 ** (8 - np.trunc(magnitude))
        if kind == "Solarize":
            return np.ceil(255.0 * magnitude)  # v < threshold, for whole v
        return 1.0 + magnitude


class TrivialAugmentWide(Policy):
    """Draw one operation and one of 31 strengths, both uniformly."""

    def __init__(self, **settings):
        theirs = v2.TrivialAugmentWide()
        super().__init__(theirs._AUGMENTATION_SPACE, theirs.num_magnitude_bins, **settings)

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        op = rng.integers(len(self.names), size=(count, 1))
        return {"op": op, "bin": rng.integers(self.bins, size=(count, 1)), "turned": self._signs(rng, op)}


class NoisyRandAugment(Policy):
    """Draw `ops` operations uniformly. Each is applied with probability `prob` at strength `magnitude` +- `std`."""

    def __init__(self, ops: int, magnitude: float, std: float, prob: float, bins: int, **settings):
        super().__init__(v2.RandAugment._AUGMENTATION_SPACE, bins, **settings)
        self.ops, self.level, self.std, self.prob = ops, magnitude, std, prob

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        op = rng.integers(len(self.names), size=(count, self.ops))
        turned = self._signs(rng, op)
        level = np.clip(self.level + self.std * rng.standard_normal(op.shape), 0.0, 10.0)
        op = np.where(rng.random(op.shape) < self.prob, op, NOTHING)
        return {"op": op, "bin": np.rint(level * (self.bins - 1) / 10).astype(np.int64), "turned": turned}


class AutoAugment(Policy):
    """Draw one of 25 sub-policies. Each has two operations with their own probabilities and strengths."""

    def __init__(self, which: v2.AutoAugmentPolicy, **settings):
        super().__init__(v2.AutoAugment._AUGMENTATION_SPACE, 10, **settings)
        policies = v2.AutoAugment(which)._policies
        self.op = np.array([[self.names.index(name) for name, _, _ in pair] for pair in policies])
        self.prob = np.array([[prob for _, prob, _ in pair] for pair in policies])
        self.bin = np.array([[at or 0 for _, _, at in pair] for pair in policies])

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        chosen = rng.integers(len(self.op), size=count)
        op = self.op[chosen]
        turned = self._signs(rng, op)
        op = np.where(rng.random(op.shape) < self.prob[chosen], op, NOTHING)
        return {"op": op, "bin": self.bin[chosen], "turned": turned}
