"""Dspike, a truncated hyperbolic tangent of variable temperature (Li et al., NeurIPS 2021; no official code is known).

With x = u - v_th and half-width h:  D(x) = (tanh(b x) / tanh(b h) + 1) / 2 on |x| <= h, the exact step outside, so

    s'(x) = b (1 - tanh^2(b x)) / (2 tanh(b h))   for |x| <= h,   0 outside.

The integral is 1 for every b. For b -> 0, s' is the rectangle of width 2h; for b -> infinity, D is the step. The paper
has h = v_th = 1/2 (support [0, 1]); re-implementations with h = v_th = 1 have another slope at the same b. The paper
chooses b at each epoch by the finite-difference gradient of the first layer (`rule=dspike`); under other rules b is
constant.

b is a buffer, so checkpoints contain it. Kernels take it as a number, so a CUDA graph keeps the b of its capture.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from snnbench.kernels.common.codes import DSPIKE
from snnbench.kernels.common.form import SurrogateForm
from snnbench.surrogates.base import Surrogate


class Dspike(Surrogate):
    """Peak b / (2 tanh(b h)) at x = 0, integral 1.

    Args:
        b: The temperature; a larger one makes D steeper.
        half_width: The distance h from the threshold beyond which there is no gradient, in units of membrane potential.
    """

    traits = ("temperature",)

    def __init__(self, b: Annotated[float, "> 0"] = 3.0, half_width: Annotated[float, "> 0"] = 0.5):
        super().__init__()
        # a 0-d double keeps all digits of b and does not change the dtype of x in a product
        self.register_buffer("b", torch.tensor(b, dtype=torch.double))
        self.half_width = half_width
        self._read: tuple[Tensor, int, float] | None = None  # b, its version, its value

    def derivative(self, x: Tensor) -> Tensor:
        peak = self.b / (2 * torch.tanh(self.b * self.half_width))
        return torch.where(x.abs() <= self.half_width, peak * (1 - torch.tanh(self.b * x).square()), 0.0)

    def kernel_form(self) -> SurrogateForm:
        return SurrogateForm(DSPIKE, self.temperature(), self.half_width)

    def temperature(self) -> float:
        """b as a number; waits for the GPU only if b was changed since the last call."""
        if self._read is None or self._read[0] is not self.b or self._read[1] != self.b._version:
            self._read = (self.b, self.b._version, self.b.item())
        return self._read[2]

    def extra_repr(self) -> str:
        return f"b={self.temperature():g}, half_width={self.half_width}"
