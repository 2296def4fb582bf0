"""Rectangle surrogate (STBP, Wu et al., 2018, h1; also tdBN and MS-ResNet).

s'(x) = 1/a for |x| < a/2, else 0: peak 1/a, integral 1. The released codes write it with the half-width `lens` = a/2 =
0.5, i.e. a = 1 and height 1. SpikingJelly's Rect(alpha) is a = 1/alpha.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from snnbench.kernels.common.codes import RECTANGLE
from snnbench.kernels.common.form import SurrogateForm
from snnbench.surrogates.base import Surrogate


class Rectangle(Surrogate):
    """Window of the given full width; peak 1/width, integral 1, zero at the edge |x| = width/2 itself.

    Args:
        width: The full width a of the rectangle, in units of membrane potential.
    """

    def __init__(self, width: Annotated[float, "> 0"] = 1.0):
        super().__init__()
        self.width = width

    def derivative(self, x: Tensor) -> Tensor:
        return (x.abs() < self.width / 2).to(x.dtype) / self.width

    def kernel_form(self) -> SurrogateForm:
        return SurrogateForm(RECTANGLE, self.width / 2, 1 / self.width)
