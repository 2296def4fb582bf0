"""The base class of surrogates: the forward pass is the Heaviside step, the backward pass uses `derivative`.

Neftci et al., IEEE Signal Processing Magazine 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from snnbench.kernels.common.form import Refusal, SurrogateForm


class _Spike(torch.autograd.Function):
    """s = H(x); ds/dx is replaced by `surrogate.derivative(x)`."""

    @staticmethod
    def forward(ctx, x: Tensor, surrogate: Surrogate, strict: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.surrogate = surrogate
        return ((x > 0) if strict else (x >= 0)).to(x.dtype)

    @staticmethod
    def backward(ctx, grad_spike: Tensor):
        (x,) = ctx.saved_tensors
        return grad_spike * ctx.surrogate.derivative(x), None, None


class Surrogate(nn.Module):
    """A spike function without parameters; a subclass defines `derivative(x)`.

    `forward(x)` maps x = u - v_th of any shape, in fp32 or double, to spikes {0, 1} of the same shape and dtype. It
    fires at x >= 0, or at x > 0 with `strict=True` (as in STBP); the neuron chooses between the two.
    """

    def derivative(self, x: Tensor) -> Tensor:
        """The value that replaces ds/dx at x = u - v_th, elementwise."""
        raise NotImplementedError(f"{type(self).__name__} must define derivative(x)")

    def kernel_form(self) -> SurrogateForm | Refusal:
        """What the fused kernels need to compute the derivative, or why they cannot; neurons then run without them."""
        return Refusal(f"{type(self).__name__} has no derivative in the kernels")

    def forward(self, x: Tensor, strict: bool = False) -> Tensor:
        return _Spike.apply(x, self, strict)
