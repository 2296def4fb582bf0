"""The unit of tandem learning: it computes spikes, and its gradient is that of an artificial layer on spike counts.

With c_in = sum_t s_in,t of a unit's input, weights W, b and a norm BN (Wu et al., TNNLS 2021; release @006feb1):

    values       x_t = BN_run(W s_in,t + b) spread over T;   s_out = IF(x);   c_out = sum_t s_out,t
    gradient     a = ReLU(BN(W c_in + b));   dL/da is set to dL/dc_out, and autograd does the rest

BN_run uses the running statistics that BN has just updated. Each step uses mean/T, shift/T and b/T, so that
sum_t x_t = BN_run(W c_in + b). Nothing is computed twice: W c_in + b is the sum of the currents of the steps, and
BN_run is an evaluation-mode norm, which the fused kernel of the neuron can compute.

The gradient dL/dc of a count is passed back as the gradient of the spikes, the same at every step (`expand`, no copy).
Linear layers without memory (average pooling, flatten) keep it the same. If another layer makes it differ between
steps, its mean over T is used. The backward pass needs only counts and one bit for each neuron, so memory does not
grow with T.

The released code folds the norm without its eps, which gives inf for a channel without variance; here eps is kept.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.kernels.common.form import NormForm
from snnbench.models.parts import Unit
from snnbench.norms.batch_norm import BatchNorm, batch_norm
from snnbench.synapses.base import Synapse
from snnbench.temporal import active_states, full_precision, is_static, over_time


def _total(x_seq: Tensor) -> Tensor:
    """Sum over time `[N, *]` of `[T, N, *]`, in at least fp32."""
    if is_static(x_seq):
        return full_precision(x_seq[0]) * x_seq.shape[0]
    dtype = torch.promote_types(x_seq.dtype, torch.float32)
    out = torch.empty_like(x_seq[0], dtype=dtype, requires_grad=False)  # `out` keeps channels-last order
    return torch.sum(x_seq, 0, dtype=dtype, out=out)


def _of_count(grad_seq: Tensor) -> Tensor:
    """dL/dc `[N, *]` from the gradient of the spikes `[T, N, *]`: their mean over time."""
    if is_static(grad_seq):
        return grad_seq[0]
    return torch.mean(grad_seq, 0, out=torch.empty_like(grad_seq[0], requires_grad=False))


def _at_every_step(grad: Tensor, time_steps: int, dtype: torch.dtype) -> Tensor:
    return grad.to(dtype).unsqueeze(0).expand(time_steps, *grad.shape)


class _Count(torch.autograd.Function):
    """c = sum_t s_t, `[T, N, *] -> [N, *]` in at least fp32."""

    @staticmethod
    def forward(ctx, x_seq: Tensor) -> Tensor:
        ctx.time_steps, ctx.dtype = x_seq.shape[0], x_seq.dtype
        return _total(x_seq)

    @staticmethod
    def backward(ctx, grad: Tensor):
        return _at_every_step(grad, ctx.time_steps, ctx.dtype)


class _CountedContraction(torch.autograd.Function):
    """y_t = W x_t + b/T, whose weight gradient is computed once from the count c_in instead of at T steps."""

    @staticmethod
    def forward(ctx, x_seq: Tensor, weight: Tensor, bias: Tensor | None, synapse: Synapse) -> Tensor:
        ctx.save_for_backward(_total(x_seq).to(x_seq.dtype), weight)
        ctx.synapse, ctx.time_steps = synapse, x_seq.shape[0]
        return _currents(synapse, x_seq, weight, bias)

    @staticmethod
    def backward(ctx, grad_seq: Tensor):
        count, weight = ctx.saved_tensors
        grad = _of_count(grad_seq)
        with torch.autocast(grad.device.type, enabled=False):
            grad_x, grad_weight, grad_bias = ctx.synapse.contract_gradients(
                grad, count.to(grad.dtype), weight.to(grad.dtype), ctx.needs_input_grad[:3]
            )
        if grad_x is not None:
            grad_x = _at_every_step(grad_x, ctx.time_steps, count.dtype)
        return grad_x, grad_weight, grad_bias, None


class _SpikesForReLU(torch.autograd.Function):
    """Returns `spikes_of()` `[T, N, *]`; the gradient dL/dc goes back through ReLU(z) / v_th, z `[N, *]`."""

    @staticmethod
    def forward(ctx, z: Tensor, v_th: float, spikes_of: Callable[[], Tensor]) -> Tensor:
        ctx.save_for_backward(z > 0)
        ctx.v_th, ctx.dtype = v_th, z.dtype
        return spikes_of()

    @staticmethod
    def backward(ctx, grad_seq: Tensor):
        (active,) = ctx.saved_tensors
        grad = _of_count(grad_seq).to(ctx.dtype) * active
        return grad if ctx.v_th == 1 else grad / ctx.v_th, None, None


def _currents(synapse: Synapse, x_seq: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    share = None if bias is None else bias / x_seq.shape[0]
    return over_time(lambda x: synapse.contract(x, weight, share), x_seq)


def counted(synapse: Synapse, x_seq: Tensor) -> Tensor:
    """The mechanics of a unit's synapse: spikes `[T, N, *]` -> currents `[T, N, *]` whose sum over time is W c + b.

    Raises:
        ConfigError: It is called inside `stepping`, where only one step is known.
    """
    if active_states() is not None:
        raise ConfigError("rule=tandem counts spikes over whole sequences and cannot be walked step by step.")
    weight = synapse.effective_weight()
    if not torch.is_grad_enabled():
        return _currents(synapse, x_seq, weight, synapse.bias)
    return _CountedContraction.apply(x_seq, weight, synapse.bias, synapse)


def counting_readout(synapse: Synapse, x_seq: Tensor) -> Tensor:
    """The mechanics of the readout: logits W c + b, repeated at all T steps (`expand`), so their mean is W c + b."""
    count = _Count.apply(x_seq).to(x_seq.dtype)
    return synapse.contract(count, synapse.effective_weight(), synapse.bias).expand(x_seq.shape[0], -1, -1)


def detached_readout(synapse: Synapse, x_seq: Tensor) -> Tensor:
    """The mechanics of the readout in the survey's script: W s_t + b, without a gradient to the spikes."""
    return synapse.instantaneous(x_seq.detach())


class _Spread(nn.Module):
    """A norm in evaluation mode with mean/T and shift/T, so that its sum over T steps is the norm of the sum."""

    def __init__(self, norm: BatchNorm, time_steps: int):
        super().__init__()
        self.norm, self.time_steps = norm, time_steps

    def kernel_form(self) -> NormForm:
        norm, steps = self.norm, self.time_steps
        mean, shift = norm.running_mean / steps, norm.bias / steps
        return NormForm(norm.gain(), shift, mean, norm.running_var, False, norm.momentum, norm.eps)

    def forward(self, x_seq: Tensor) -> Tensor:
        form = self.kernel_form()
        return over_time(
            lambda x: batch_norm(x, form.running_mean, form.running_var, form.gain, form.bias, False, 0.0, form.eps),
            x_seq,
        )


def in_tandem(unit: Unit, x_seq: Tensor, residual: Tensor | None = None) -> Tensor:
    """The mechanics of a unit, `[T, N, C, *] -> [T, N, C, *]`: its spikes, with the gradient of ReLU(norm(W c + b)).

    Raises:
        ConfigError: There is a residual, or the network runs step by step.
    """
    if residual is not None:
        raise ConfigError("rule=tandem has no analogue copy of a shortcut; use model=csnn_tandem, or rule=bptt.")
    current, z = unit.synapse(x_seq), None
    norm = unit.norm if isinstance(unit.norm, BatchNorm) else None
    if unit.training or torch.is_grad_enabled():
        z = _Count.apply(current)
        z = z if norm is None else norm(z.unsqueeze(0)).squeeze(0)  # updates the running statistics
    spread = None if norm is None else _Spread(norm, len(x_seq))
    if z is None or not z.requires_grad:
        return unit.neuron(current, spread)
    return _SpikesForReLU.apply(z, unit.neuron.v_th, lambda: unit.neuron(current.detach(), spread))
