"""What an adaptive neuron gives to its kernels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from snnbench.kernels.common.form import Form, NormForm

BLOCK_STEPS = 16  # most steps of a block that the kernels unroll


@dataclass(frozen=True)
class AdaptiveForm(Form):
    """ALIF or BlockALIF in numbers.

    Args:
        learnt: beta, p and b, `[3, C]`; gradients flow to them.
        constants: [v_th, latency, amplitude, p0, p1]; p0 and p1 are the surrogate's.
        codes: [surrogate, detach, strict]; the last two are 0 or 1: no gradient through the spike that resets, and
            fire at h > v_th.
        length: steps of a block of BlockALIF, 0 for ALIF.
    """

    learnt: Tensor
    constants: list[float]
    codes: list[int]
    length: int

    def run(self, x_seq: Tensor, residual: Tensor | None, norm: NormForm | None) -> Tensor:
        from snnbench.kernels.adaptive import ops

        return ops.run(x_seq, residual, norm, self)
