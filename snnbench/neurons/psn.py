"""Parallel spiking neuron: a trained matrix over time and no reset (Fang et al., NeurIPS 2023, arXiv:2304.12760).

    H = W X,   S = Theta(H - B),   X [T, N*]; W [T, T] and B [T] are trained and shared by all neurons of the layer.

As in the released code, the neuron stores b = -B and computes H = W X + b, S = Theta(H). At the start b = -v_th and
W ~ U(-1/sqrt T, 1/sqrt T), as in nn.Linear. A potential may depend on later inputs, so the neuron needs the whole
sequence, and only takes the T it was built for. `masked_psn` and `sliding_psn` are its causal variants.
"""

import math

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from snnbench.errors import ConfigError
from snnbench.kernels.common.form import Refusal, overridden, surrogate_form, unstated
from snnbench.kernels.parallel.form import PARALLEL_STEPS, ParallelForm
from snnbench.neurons.base import Neuron
from snnbench.neurons.parameters import over_steps, spared
from snnbench.site import Site
from snnbench.temporal import full_precision, is_static, rows_back, rows_of


def time_matrix(time_steps: int) -> nn.Parameter:
    """W `[T, T]` with the initial values of nn.Linear, without weight decay (the published runs have none)."""
    return spared(nn.init.kaiming_uniform_(torch.empty(time_steps, time_steps), a=math.sqrt(5)))


def over_time_matrix(x_seq: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """W X + b over the time axis: X `[T, N, *]`, weight `[T, T]`, bias `[T]` or `[1]` -> `[T, N, *]` in at least fp32.

    A static sequence has the same X at all steps, so the row sums of W are enough: one product for each element.
    """
    if is_static(x_seq):
        bias, sums = over_steps(bias, x_seq), over_steps(weight.sum(1), x_seq)
        return torch.addcmul(bias, sums, full_precision(x_seq[0]).unsqueeze(0))
    rows, shape, undo = rows_of(x_seq)
    return rows_back(_TimeProduct.apply(rows, weight, bias), shape, undo)


class _TimeProduct(torch.autograd.Function):
    """h = W x + b in at least fp32, from x `[T, M]` in any dtype; half types are multiplied as they are.

    torch.addmm under autocast would round h to bf16 before it is compared with the threshold.
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
    """a @ b, summed and returned in at least fp32; on a GPU the tensor cores read half types without a copy in fp32."""
    if b.is_cuda and b.dtype in (torch.bfloat16, torch.float16):
        return torch.mm(a.to(b.dtype), b, out_dtype=torch.float32)
    wide = torch.promote_types(b.dtype, torch.float32)
    return torch.mm(a.to(wide), b.to(wide))


class ParallelNeuron(Neuron):
    """Base of the parallel neurons: a subclass defines `matrix`, and the neuron fires where W x + b >= 0.

    Args:
        v_th: The initial threshold. The threshold in use is -b, which is trained.
    """

    def matrix(self, time_steps: int) -> tuple[Tensor, Tensor]:
        """W `[T, T]` and b `[T]` for a sequence of T steps; raises ConfigError if the neuron does not take that T."""
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
        """Weight and bias as `ParallelForm` needs them, or why the kernels cannot use them."""
        time_steps = self.site.time_steps
        if time_steps > PARALLEL_STEPS:
            return Refusal(
                f"T={time_steps} makes a matrix larger than the {PARALLEL_STEPS} steps that the kernels take"
            )
        return unstated(self, "potentials", "matrix") or self.matrix(time_steps)

    def potentials(self, x_seq: Tensor) -> Tensor:
        """H = W X + b, `[T, N, C, *]` in at least fp32."""
        return over_time_matrix(x_seq, *self.matrix(x_seq.shape[0]))

    def windowed(self, queue: tuple[Tensor, ...], x_t: Tensor, weights: Tensor, bias: Tensor):
        """One step of a causal neuron: spikes and the last k - 1 inputs, from the inputs `queue` before `x_t`."""
        seen = (*queue, full_precision(x_t))
        h = bias + sum(w * x for w, x in zip(weights[-len(seen) :], seen))
        return self.emit(self.fire(h), x_t), seen[max(len(seen) - self.k + 1, 0) :]

    def fire(self, u: Tensor) -> Tensor:
        return self.surrogate(u, strict=self.strict)

    def sequence(self, x_seq: Tensor) -> Tensor:
        return self.emit(self.fire(self.potentials(x_seq)), x_seq)

    def learnt(self) -> dict[str, Tensor]:
        """The weights over time, and the thresholds -b in units of the potential."""
        return {"weight": self.weight, "threshold": -self.bias}

    def check_length(self, time_steps: int) -> None:
        """Raise ConfigError unless the sequence has the T steps for which the neuron was built."""
        if time_steps != self.site.time_steps:
            raise ConfigError(
                f"{type(self).__name__} was built for T={self.site.time_steps} and got {time_steps} steps: its weights "
                f"are a matrix over time; set T={time_steps}, or use neuron=sliding_psn which takes any T"
            )


class PSN(ParallelNeuron):
    """`[T, N, C, *]` currents -> spikes, for the T of `site`; each layer has T^2 + T parameters.

    Raises:
        ConfigError: The sequence has another T, or a rule walks step by step.
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
            "neuron=psn needs the whole sequence at once and cannot be walked step by step; "
            "use rule=bptt, or a causal variant: neuron=sliding_psn or neuron=masked_psn"
        )
