"""What a neuron that is one matrix over time gives to its kernels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from snnbench.kernels.common.form import Form, NormForm

PARALLEL_STEPS = 8  # most steps of a matrix over time that the kernels multiply by: T^2 products an element
SLIDING_ORDER = 8  # largest order of a window that slides over time


@dataclass(frozen=True)
class ParallelForm(Form):
    """A neuron of the PSN family in numbers.

    Args:
        weight: `[T, T]`, or `[K]` of a window that slides over any T; gradients flow to it.
        bias: `[T]`, or `[1]` of a window; gradients flow to it.
        constants: [amplitude, p0, p1]; p0 and p1 are the surrogate's.
        codes: [surrogate, strict]; strict is 0 or 1: fire at h > 0.
    """

    weight: Tensor
    bias: Tensor
    constants: list[float]
    codes: list[int]

    def fits(self, time_steps: int) -> bool:
        return self.weight.dim() == 1 or time_steps == len(self.bias)

    def run(self, x_seq: Tensor, residual: Tensor | None, norm: NormForm | None) -> Tensor:
        from snnbench.kernels.parallel import ops

        return ops.run(x_seq, residual, norm, self)
