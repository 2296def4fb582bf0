"""The kernels of `sequence` as operators of torch.library, and the autograd function around them.

x, residual, folded    as in membrane/ops.py
numbers                the rows that `device` reads, fp32
constants              [v_th, latency, amplitude, p0, p1]
codes                  [surrogate, detach, strict, L]; L is the length of BlockALIF's block, or 0 for ALIF
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from snnbench.kernels.adaptive.sequence import backward_kernel, forward_kernel
from snnbench.kernels.common.form import Form, NormForm
from snnbench.kernels.common.launch import CHUNK, OPTIONS, backward_elements, reducing_grid
from snnbench.kernels.common.layout import dense, empty_sequence, layout_of, like
from snnbench.kernels.common.norm import fold, norm_input_gradient
from snnbench.temporal import is_static, step_of

OPS = torch.ops.snnbench
ELEMENTS = 512  # values in a forward tile: 4 for each thread at 4 warps, each with the numbers of its channel

LIBRARY = torch.library.Library("snnbench", "FRAGMENT")
LIBRARY.define(
    "adaptive_forward(Tensor x, Tensor? residual, Tensor? folded, Tensor numbers, int time_steps, float[] constants, "
    "int[] codes) -> Tensor"
)
LIBRARY.define(
    "adaptive_backward(Tensor g, Tensor x, Tensor? residual, Tensor? folded, Tensor numbers, int time_steps, "
    "bool training, float[] constants, int[] codes) -> (Tensor, Tensor, Tensor, Tensor)"
)


def numbers_of(learnt: Tensor, length: int) -> Tensor:
    """beta, p, b `[3, C]`, and for blocks of `length` steps the powers of p below them: `[3 + 2 length, C]`.

    PyTorch's `pow` makes them, as in the reference; see `device` on rounding.
    """
    if not length:
        return learnt.contiguous()
    p, places = learnt[1], torch.arange(1, length + 1, device=learnt.device, dtype=learnt.dtype).unsqueeze(1)
    return torch.cat([learnt, p.pow(places), p.pow(places - 1) / p])


def _flags(x, residual, folded, time_steps, codes):
    length = codes[3] or 1
    blocks = triton.cdiv(time_steps, length)
    chunks = triton.cdiv(blocks, max(1, CHUNK // length))
    return {
        "T": time_steps, "CHUNK": triton.cdiv(blocks, chunks) * length, "LENGTH": length,
        "STATIC": x.shape[0] < time_steps, "NORM": folded is not None, "RESIDUAL": residual is not None,
        "BLOCK": codes[3] > 0, "STRICT": bool(codes[2]),
    }  # fmt: skip


def adaptive_forward(x, residual, folded, numbers, time_steps, constants, codes):
    """Spikes `[T, N, C, *]`; u is the normed current plus the residual."""
    layout, flags = layout_of(x, True), _flags(x, residual, folded, time_steps, codes)
    out = empty_sequence(x, time_steps)
    blocks = layout.blocks(ELEMENTS if flags["LENGTH"] <= CHUNK else ELEMENTS // 2)
    grid = (triton.cdiv(layout.positions, blocks["BP"]), triton.cdiv(layout.channels, blocks["BC"]))
    scale, shift = (x, x) if folded is None else (folded[0], folded[1])
    forward_kernel[grid](
        x, x if residual is None else residual, scale, shift, numbers, out,
        layout.positions, layout.channels, layout.inner, layout.step, *constants[:3], **blocks, **flags, **OPTIONS,
    )  # fmt: skip
    return out


def adaptive_backward(g, x, residual, folded, numbers, time_steps, training, constants, codes):
    """Gradients (x, residual, `[2, C]` of gain and bias of the norm, `[3, C]` of beta, p and b).

    What does not exist is an empty tensor. Without a norm the residual's gradient is that of x, and an empty one
    stands for it.
    """
    norm, layout, flags = folded is not None, layout_of(x, True), _flags(x, residual, folded, time_steps, codes)
    chunks = triton.cdiv(time_steps, flags["CHUNK"])
    store_first = not norm or residual is not None or chunks > 1  # phases as in membrane/ops.py
    blocks = layout.blocks(backward_elements(flags["CHUNK"], False))
    grid = reducing_grid(layout, blocks["BP"], x.device)
    scratch = {"device": x.device, "dtype": torch.float32}
    rows = (folded[0], folded[1], folded[2], folded[3]) if norm else (x, x, x, x)
    state = torch.empty(chunks, 3, layout.step, **scratch) if chunks > 1 else x
    sums = torch.empty(2, grid[0], layout.channels, **scratch) if norm else x
    learnt_sums = torch.empty(grid[0], 3, layout.channels, **scratch)
    first = torch.empty_like(x) if store_first else x

    def launch(grid: tuple[int, int], affine: Tensor, out: Tensor, **modes: bool) -> None:
        backward_kernel[grid](
            g, x, x if residual is None else residual, *rows, numbers, affine, state, out, sums, learnt_sums,
            layout.positions, layout.channels, layout.inner, layout.step, *constants,
            **blocks, **flags, DETACH=bool(codes[1]), SURROGATE=codes[0], **modes, **OPTIONS,
        )  # fmt: skip

    launch(grid, x, first, SUMS=norm, SUM_LEARNT=True, WRITE=store_first, AFFINE=False)
    g_learnt, nothing = learnt_sums.sum(0), x.new_empty(0)
    if not norm:
        return first, nothing, x.new_empty(0), g_learnt

    def write(affine: Tensor, g_x: Tensor) -> None:
        whole = (triton.cdiv(layout.positions, blocks["BP"]), grid[1])
        launch(whole, affine, g_x, SUMS=False, SUM_LEARNT=False, WRITE=True, AFFINE=True)

    g_x, grads = norm_input_gradient(x, first if store_first else None, folded, sums, training, layout, write)
    return g_x, first if residual is not None else nothing, grads, g_learnt


LIBRARY.impl("adaptive_forward", adaptive_forward, "CompositeExplicitAutograd")
LIBRARY.impl("adaptive_backward", adaptive_backward, "CompositeExplicitAutograd")


@torch.library.register_fake("snnbench::adaptive_forward", lib=LIBRARY)
def _(x, residual, folded, numbers, time_steps, constants, codes):
    return empty_sequence(x, time_steps)


@torch.library.register_fake("snnbench::adaptive_backward", lib=LIBRARY)
def _(g, x, residual, folded, numbers, time_steps, training, constants, codes) -> tuple[Tensor, ...]:
    both = residual is not None and folded is not None
    grads = x.new_empty(2, x.shape[2], dtype=torch.float32) if folded is not None else x.new_empty(0)
    g_residual = torch.empty_like(x) if both else x.new_empty(0)
    return torch.empty_like(x), g_residual, grads, numbers.new_empty(3, numbers.shape[1])


class _Adaptive(torch.autograd.Function):
    """Spikes of x `[T or 1, N, C, *]`; keeps x, the residual and some numbers a channel for the backward."""

    @staticmethod
    def forward(ctx, x, residual, gain, bias, learnt, running_mean, running_var, time_steps, form, norm, static):
        folded = fold(x, gain, bias, running_mean, running_var, norm, static)
        length = min(form.length, time_steps)  # a sequence shorter than a block has no next block
        ctx.codes = [*form.codes, length]
        numbers = numbers_of(learnt, length)
        ctx.save_for_backward(x, residual, folded, numbers)
        ctx.time_steps, ctx.form, ctx.training = time_steps, form, norm is not None and norm.training
        return OPS.adaptive_forward(x, residual, folded, numbers, time_steps, form.constants, ctx.codes)

    @staticmethod
    def backward(ctx, g):
        x, residual, folded, numbers = ctx.saved_tensors
        g = like(g, empty_sequence(x, ctx.time_steps))
        g_x, g_residual, grads, g_learnt = OPS.adaptive_backward(
            g, x, residual, folded, numbers, ctx.time_steps, ctx.training, ctx.form.constants, ctx.codes
        )
        normed = folded is not None
        if residual is not None and not normed:
            g_residual = g_x
        return (
            g_x, g_residual if residual is not None else None, grads[0] if normed else None,
            grads[1] if normed else None, g_learnt, None, None, None, None, None, None,
        )  # fmt: skip


def run(x_seq: Tensor, residual: Tensor | None, norm: NormForm | None, form: Form) -> Tensor:
    """Currents `[T, N, C, *]` (before the norm) to spikes of the same shape, dtype and layout; see membrane.ops.run."""
    static = is_static(x_seq)
    x = dense(step_of(x_seq).unsqueeze(0) if static and residual is None else x_seq)
    residual = None if residual is None else like(residual, x)
    gain, bias, mean, var = (norm.gain, norm.bias, norm.running_mean, norm.running_var) if norm else (None,) * 4
    learnt = form.learnt.float()
    return _Adaptive.apply(x, residual, gain, bias, learnt, mean, var, len(x_seq), form, norm, static)
