"""The unit of tandem learning: spikes forward, the gradient of an analogue layer at the spike counts backward.

With c_in = sum_t s_in,t of a unit's input, weights W, b and a norm BN (Wu et al., TNNLS 2021; release @006feb1):

    values       x_t = BN_run(W s_in,t + b) spread over T;   s_out = IF(x);   c_out = sum_t s_out,t
    gradient     a = ReLU(BN(W c_in + b));   dL/da := dL/dc_out;   autograd from there

BN_run uses the running statistics that BN has just updated; its mean and shift enter a step as mean/T and shift/T, as b
does as b/T, so sum_t x_t = BN_run(W c_in + b). Written this way nothing is computed twice: W c_in + b is the sum of the
steps' currents, and a norm spread over T is an ordinary evaluation-mode norm, so that the fused neuron can take it.

Gradients travel on the spike trains: dL/dc stands at every step (`expand`, no copy), which linear layers without memory
in between (average pooling, flatten) keep. If something else reads a train, its mean over T is taken for dL/dc. Only
counts and one bit a neuron are kept for the backward pass: memory does not grow with T.

The release folds the norm without its eps (an idle channel gives inf); here eps stays.
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
    out = torch.empty_like(x_seq[0], dtype=dtype, requires_grad=False)  # a sum by itself forgets channels-last
    return torch.sum(x_seq, 0, dtype=dtype, out=out)


def _of_count(grad_seq: Tensor) -> Tensor:
    """dL/dc `[N, *]` from the gradient of a spike train `[T, N, *]`: the same at every step, else its mean."""
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
    """y_t = W x_t + b/T; in backward the count c_in meets dL/d(W c_in + b), once instead of T times."""

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
    """Value: `spikes_of()`, `[T, N, *]`. Gradient: dL/dc through ReLU(z) / v_th at the analogue `z [N, *]`."""

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
    """Mechanics of a unit's synapse: `[T, N, *]` spikes -> currents that sum to W c + b.

    Raises:
        ConfigError: inside `stepping`, where the steps to sum over are not there.
    """
    if active_states() is not None:
        raise ConfigError("rule=tandem counts spikes over whole sequences and cannot be walked step by step.")
    weight = synapse.effective_weight()
    if not torch.is_grad_enabled():
        return _currents(synapse, x_seq, weight, synapse.bias)
    return _CountedContraction.apply(x_seq, weight, synapse.bias, synapse)


def counting_readout(synapse: Synapse, x_seq: Tensor) -> Tensor:
    """Mechanics of the readout: logits W c + b, the same at all T steps (`expand`), so their mean is W c + b too."""
    count = _Count.apply(x_seq).to(x_seq.dtype)
    return synapse.contract(count, synapse.effective_weight(), synapse.bias).expand(x_seq.shape[0], -1, -1)


def detached_readout(synapse: Synapse, x_seq: Tensor) -> Tensor:
    """Mechanics of the readout in the survey's script as committed: W s_t + b, without a gradient to the spikes."""
    return synapse.instantaneous(x_seq.detach())


class _Spread(nn.Module):
    """A norm in evaluation mode, its mean and shift divided by T: T steps of it sum to the norm of the sum."""

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
    """Mechanics of a unit: its neuron's spikes, the gradient of ReLU(norm(W c + b)); `[T, N, C, *] -> [T, N, C, *]`.

    Raises:
        ConfigError: there is a residual, or the network is walked step by step.
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
