"""Parallel spiking neuron: one matrix over time, no reset (Fang et al., NeurIPS 2023, arXiv:2304.12760).

    H = W X,   S = Theta(H - B),   X [T, N*], W [T, T] and B [T] learnt and shared by all neurons of the layer.

As in the released code the bias b = -B is stored, H = W X + b, S = Theta(H), with b = -1 and W ~ U(-1/sqrt T, 1/sqrt T)
(nn.Linear's) at the start. The neuron sees the future: it needs the whole sequence, with the T it was built for.
`over_time_matrix` is the product that the masked and sliding variants share.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from snnbench.errors import ConfigError
from snnbench.kernels.common.form import Refusal, overridden, surrogate_form, unstated
from snnbench.kernels.parallel.form import PARALLEL_STEPS, ParallelForm
from snnbench.neurons.base import Neuron
from snnbench.neurons.parameters import spared
from snnbench.site import Site
from snnbench.temporal import full_precision, is_static, rows_back, rows_of


def time_matrix(time_steps: int) -> nn.Parameter:
    """W `[T, T]` as nn.Linear starts it, spared weight decay (the published runs decay nothing)."""
    return spared(nn.init.kaiming_uniform_(torch.empty(time_steps, time_steps), a=math.sqrt(5)))


def over_time_matrix(x_seq: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """W X + b over the time axis: `[T, N, *]`, weight `[T, T]`, bias `[T]` or `[1]` -> `[T, N, *]` in at least fp32.

    A static sequence costs one product per element: every column of X is the same, so only W's row sums count.
    """
    if is_static(x_seq):
        column = (-1, *[1] * (x_seq.ndim - 1))
        return torch.addcmul(bias.view(column), weight.sum(1).view(column), full_precision(x_seq[0]).unsqueeze(0))
    rows, shape, undo = rows_of(x_seq)
    return rows_back(_TimeProduct.apply(rows, weight, bias), shape, undo)


class _TimeProduct(torch.autograd.Function):
    """h = W x + b: x `[T, M]` stays in its own (half) dtype, products accumulate in fp32, h is at least fp32.

    Autograd's addmm would, under autocast, round h to bf16 before the threshold.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.bias_like = bias.shape, bias.dtype
        with torch.autocast(x.device.type, enabled=False):
            return _product(weight, x).add_(bias.view(-1, 1))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_h: Tensor):
        x, weight = ctx.saved_tensors
        shape, dtype = ctx.bias_like
        grad_x = grad_weight = grad_bias = None
        with torch.autocast(x.device.type, enabled=False):
            if ctx.needs_input_grad[2]:
                grad_bias = (grad_h.sum(1) if shape.numel() > 1 else grad_h.sum()).view(shape).to(dtype)
            narrow = grad_h.to(x.dtype)
            if ctx.needs_input_grad[0]:
                grad_x = _product(weight.t(), narrow).to(x.dtype)
            if ctx.needs_input_grad[1]:
                grad_weight = _product(narrow, x.t()).to(weight.dtype)
        return grad_x, grad_weight, grad_bias


def _product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b with at least fp32 sums and result; on a GPU, half types feed the tensor cores without a cast copy."""
    if b.is_cuda and b.dtype in (torch.bfloat16, torch.float16):
        return torch.mm(a.to(b.dtype), b, out_dtype=torch.float32)
    wide = torch.promote_types(b.dtype, torch.float32)
    return torch.mm(a.to(wide), b.to(wide))


class ParallelNeuron(Neuron):
    """What the three share: `matrix(T)` over time, `potentials(x_seq)` [T, N, *] with the bias in it, fired at zero.

    `v_th` is the threshold at the start of training; the threshold itself is the learnt -bias.
    """

    def matrix(self, time_steps: int) -> tuple[Tensor, Tensor]:
        """W `[T, T]` and b `[T]` of h = W x + b for a sequence of that length; ConfigError if it has none."""
        raise NotImplementedError(f"{type(self).__name__} must define matrix(time_steps)")

    def kernel_form(self) -> ParallelForm | Refusal:
        surrogate = overridden(self, ParallelNeuron, "fire", "sequence", "emit") or surrogate_form(self.surrogate)
        if isinstance(surrogate, Refusal):
            return surrogate
        weights = self.kernel_weights()
        if isinstance(weights, Refusal):
            return weights
        constants = [float(number) for number in (self.amplitude, surrogate.p0, surrogate.p1)]
        return ParallelForm(*weights, constants, [surrogate.kind, int(self.strict)])

    def kernel_weights(self) -> tuple[Tensor, Tensor] | Refusal:
        """Weight and bias of `ParallelForm`, or why the kernels do not take them."""
        time_steps = self.site.time_steps
        if time_steps > PARALLEL_STEPS:
            return Refusal(
                f"T={time_steps} makes a matrix larger than the {PARALLEL_STEPS} steps that the kernels take"
            )
        return unstated(self, "potentials", "matrix") or self.matrix(time_steps)

    def potentials(self, x_seq: Tensor) -> Tensor:
        return over_time_matrix(x_seq, *self.matrix(x_seq.shape[0]))

    def fire(self, u: Tensor) -> Tensor:
        return self.surrogate(u, strict=self.strict)

    def sequence(self, x_seq: Tensor) -> Tensor:
        return self.emit(self.fire(self.potentials(x_seq)), x_seq)

    def learnt(self) -> dict[str, Tensor]:
        """Weights over time, and thresholds in units of the potential."""
        return {"weight": self.weight, "threshold": -self.bias}

    def check_length(self, time_steps: int) -> None:
        """Raises ConfigError unless the sequence is as long as the matrix over time."""
        if time_steps != self.site.time_steps:
            raise ConfigError(
                f"{type(self).__name__} was built for T={self.site.time_steps} and got {time_steps} steps: its weights "
                f"are a matrix over time; set T={time_steps}, or use neuron=sliding_psn which takes any T"
            )


class PSN(ParallelNeuron):
    """`[T, N, C, *]` currents -> spikes, T as in `site`; T^2 + T parameters a layer.

    Args:
        v_th: threshold at the start.

    Raises:
        ConfigError: the sequence has another T, or a rule walks step by step.
    """

    traits = ("parallel_in_time",)

    def __init__(self, site: Site, surrogate: nn.Module, **rest):
        super().__init__(site, surrogate, **rest)
        self.weight = time_matrix(site.time_steps)
        self.bias = spared(torch.full((site.time_steps,), -float(self.v_th)))

    def matrix(self, time_steps: int) -> tuple[Tensor, Tensor]:
        self.check_length(time_steps)
        return self.weight, self.bias

    def step(self, x_t: Tensor, state: None):
        raise ConfigError(
            "neuron=psn sees the whole sequence at once and cannot be walked step by step; "
            "use rule=bptt, or a causal variant: neuron=sliding_psn or neuron=masked_psn"
        )
