"""Fused norm + residual + neuron with its gradient; what `Neuron.forward` runs when `dispatch.fuses` allows it."""

from __future__ import annotations

import torch
from torch import Tensor

from snnbench.kernels import ops  # noqa: F401  (registers torch.ops.snnbench)
from snnbench.kernels.form import MembraneForm, NormForm
from snnbench.kernels.layout import dense, empty_sequence, like
from snnbench.temporal import is_static, step_of

OPS = torch.ops.snnbench


def fold(x, gain, bias, running_mean, running_var, norm: NormForm | None, static: bool) -> Tensor | None:
    """`[4, C]` of `norm_fold` for currents `[T or 1, N, C, *]`, or None without a norm; moves its statistics."""
    if norm is None:
        return None
    once = x[:1] if static else x  # as the reference counts running_var's n
    return OPS.norm_fold(once, gain, bias, running_mean, running_var, norm.training, norm.momentum, norm.eps)


def moments(x_t: Tensor) -> tuple[Tensor, Tensor]:
    """(biased variance, mean) `[C]`, fp32, of `[N, C, *]`: running statistics that forget at once."""
    mean, variance, nothing = torch.zeros(3, x_t.shape[1], device=x_t.device)
    OPS.norm_fold(dense(x_t.unsqueeze(0)), nothing, nothing, mean, variance, True, 1.0, 1.0)
    count = x_t.numel() / len(mean)
    return variance * ((count - 1) / count), mean


class _Sequence(torch.autograd.Function):
    """Spikes of x `[T or 1, N, C, *]`; keeps x, the residual and some numbers a channel for the backward."""

    @staticmethod
    def forward(ctx, x, residual, gain, bias, steps, learnt, running_mean, running_var, time_steps, form, norm, static):
        folded = fold(x, gain, bias, running_mean, running_var, norm, static)
        ctx.save_for_backward(x, residual, folded, steps, learnt)
        ctx.time_steps, ctx.form, ctx.training = time_steps, form, norm is not None and norm.training
        return OPS.membrane_forward(x, residual, folded, steps, learnt, time_steps, form.constants, form.codes)

    @staticmethod
    def backward(ctx, g):
        x, residual, folded, steps, learnt = ctx.saved_tensors
        g = like(g, empty_sequence(x, ctx.time_steps))
        g_x, g_residual, grads, g_learnt, g_steps = OPS.membrane_backward(
            g, x, residual, folded, steps, learnt, ctx.time_steps, ctx.training, ctx.form.constants, ctx.form.codes
        )
        if residual is not None and folded is None:
            g_residual = g_x
        normed = folded is not None
        return (
            g_x, g_residual if residual is not None else None, grads[0] if normed else None,
            grads[1] if normed else None, g_steps if steps is not None else None,
            g_learnt if learnt is not None else None, None, None, None, None, None, None,
        )  # fmt: skip


def run(x_seq: Tensor, residual: Tensor | None, norm: NormForm | None, form: MembraneForm) -> Tensor:
    """Currents `[T, N, C, *]` (before the norm) to spikes of the same shape, dtype and layout.

    A static sequence is read once and its gradient comes back summed over time.
    """
    time_steps, static = x_seq.shape[0], is_static(x_seq)
    if static and residual is None:
        x = dense(step_of(x_seq).unsqueeze(0))
    else:
        x = dense(x_seq)
        residual = None if residual is None else like(residual, x)
    learnt = form.learnt
    if learnt is not None:
        unused = 0 if form.longest is None else form.longest - time_steps
        learnt = learnt[: len(learnt) - unused].contiguous()
    mine = (norm.gain, norm.bias, norm.steps) if norm else (None,) * 3
    running = (norm.running_mean, norm.running_var) if norm else (None,) * 2
    return _Sequence.apply(x, residual, *mine, learnt, *running, time_steps, form, norm, static)
