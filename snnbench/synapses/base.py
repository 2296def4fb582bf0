"""Synapses: the convolutions and linear layers of a network, which compute all time steps in one call.

A synapse computes y_t = contract(x_t, W_eff, b) without a memory of earlier steps. A family of synapses (plain,
weight-standardised) may change the effective weight W_eff. A learning rule (OTTT) may set `mechanics` to change how
the gradient of the weight is computed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.errors import ConfigError
from snnbench.temporal import as_map, over_time

Needs = tuple[bool, bool, bool]  # for (x, weight, bias)
Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


class Synapse:
    """Mixin for convolutions and linear layers over `[T, N, *]`; it must come before the torch class in the bases.

    Attributes:
        mechanics: None, or a function `mechanics(synapse, x_seq) -> y_seq` of a learning rule that is called instead of
            `instantaneous`. It is no `nn.Module`, so it adds nothing to the state dict. If it keeps a state, each
            synapse needs an object of its own.
        weight, bias: The parameters of the torch layer, under their usual state-dict keys.
    """

    mechanics: Callable[[Synapse, Tensor], Tensor] | None = None
    weight: Tensor
    bias: Tensor | None

    def effective_weight(self) -> Tensor:
        """The weight that multiplies the input; differentiable with respect to the layer's parameters."""
        return self.weight

    def contract(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution or linear map of one batch, `[B, *] -> [B, *]`."""
        raise NotImplementedError

    def contract_gradients(self, grad_y: Tensor, x: Tensor, weight: Tensor, needs: Needs) -> Gradients:
        """Gradients of `contract` for (x, weight, bias), None where `needs` is False; all tensors of one dtype."""
        raise NotImplementedError

    def instantaneous(self, x_seq: Tensor) -> Tensor:
        """`contract` at every step, `[T, N, *] -> [T, N, *]`, with autograd's gradient; once for a static sequence."""
        weight = self.effective_weight()
        return over_time(lambda x: self.contract(x, weight, self.bias), x_seq)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.instantaneous(x_seq) if self.mechanics is None else self.mechanics(self, x_seq)


class _Convolution(Synapse):
    """The part that 1-d and 2-d convolutions share."""

    def contract(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self._conv_forward(x, weight, bias)

    def contract_gradients(self, grad_y: Tensor, x: Tensor, weight: Tensor, needs: Needs) -> Gradients:
        return torch.ops.aten.convolution_backward(
            grad_y, x, weight, [weight.shape[0]], self.stride, self.padding, self.dilation,
            False, [0] * len(self.stride), self.groups, list(needs),
        )  # fmt: skip


class Conv1d(_Convolution, nn.Conv1d):
    """1-d convolution over `[T, N, C_in, L] -> [T, N, C_out, L']` with the constructor of `nn.Conv1d`.

    On CUDA it runs as a 2-d convolution of height 1 in channels-last memory order, because cuDNN would convert every
    1-d tensor to that order and back. A 1x1 convolution of an input that is channels-last runs as a matrix product.
    """

    def contract(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        pointwise = self.kernel_size == self.stride == (1,) and self.padding == (0,) and self.groups == 1
        tokens = x.transpose(1, 2)
        if pointwise and tokens.is_contiguous():
            return F.linear(tokens, weight.squeeze(2), bias).transpose(1, 2)
        return self.contract_map(x, weight, bias) if x.is_cuda else super().contract(x, weight, bias)

    def contract_map(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The same result by a 2-d convolution of `[B, C_in, 1, L]` in channels-last memory order."""
        x = as_map(x).contiguous(memory_format=torch.channels_last)
        sizes = ((1, *self.stride), (0, *self.padding), (1, *self.dilation))
        return F.conv2d(x, as_map(weight), bias, *sizes, self.groups).squeeze(2)


class Conv2d(_Convolution, nn.Conv2d):
    """2-d convolution over `[T, N, C_in, H, W] -> [T, N, C_out, H', W']` with the constructor of `nn.Conv2d`."""


class Linear(Synapse, nn.Linear):
    """Linear map of the last axis, `[T, N, *, C_in] -> [T, N, *, C_out]` with the constructor of `nn.Linear`."""

    def contract(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)

    def contract_gradients(self, grad_y: Tensor, x: Tensor, weight: Tensor, needs: Needs) -> Gradients:
        rows, inputs = grad_y.flatten(0, -2), x.flatten(0, -2)
        grad_x = grad_y @ weight if needs[0] else None
        grad_weight = rows.T @ inputs if needs[1] else None
        return grad_x, grad_weight, rows.sum(0) if needs[2] else None


def channels_last(network: nn.Module) -> nn.Module:
    """Bring the weights of all convolutions into channels-last memory order, in place, and return `network`.

    This includes the weights `[C_out, C_in, L]` of `Conv1d`, which runs as a 2-d convolution on CUDA; otherwise they
    and their gradients would be reordered in every training step.
    """
    network.to(memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, Conv1d):
            module.weight.data = module.weight.data.transpose(1, 2).contiguous().transpose(1, 2)
    return network


class SynapseFamily:
    """One kind of synapse: it builds the convolutions and linear layers that a model requests from its `Parts`.

    A subclass names its classes in `convolutions` (number of spatial axes -> class) and `linear_class`.
    """

    convolutions: dict[int, type[Synapse]] = {}  # noqa: RUF012 (never mutated)
    linear_class: type[Synapse] = Linear

    def conv(self, dims: int, c_in: int, c_out: int, kernel: int, *, stride: int = 1, padding: int = 0,
             bias: bool = False, groups: int = 1) -> Synapse:  # fmt: skip
        """A convolution over `[T, N, c_in, *]` with `dims` spatial axes; raises ConfigError if there is none."""
        if dims not in self.convolutions:
            known = ", ".join(map(str, self.convolutions))
            raise ConfigError(f"{type(self).__name__} synapses have no {dims}-d convolution; use one of: {known}.")
        return self.convolutions[dims](c_in, c_out, kernel, stride=stride, padding=padding, bias=bias, groups=groups)

    def linear(self, c_in: int, c_out: int, *, bias: bool = True) -> Synapse:
        """A linear layer over the last axis of `[T, N, *, c_in]`."""
        return self.linear_class(c_in, c_out, bias=bias)
