"""The kernels of `matrix` and `sliding` as operators of torch.library, and the autograd function around them.

x, residual, folded    as in membrane/ops.py
weight, bias           W `[T, T]` and b `[T]`, or w `[K]` and b `[1]` of a sliding neuron, fp32
constants              [amplitude, p0, p1]
codes                  [surrogate, strict]
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from snnbench.kernels.common.form import Form, NormForm
from snnbench.kernels.common.launch import OPTIONS, reducing_grid
from snnbench.kernels.common.layout import dense, empty_sequence, layout_of, like
from snnbench.kernels.common.norm import fold, norm_input_gradient
from snnbench.kernels.parallel.matrix import backward_kernel, forward_kernel
from snnbench.kernels.parallel.sliding import sliding_backward_kernel, sliding_forward_kernel
from snnbench.temporal import is_static, step_of

OPS = torch.ops.snnbench

LIBRARY = torch.library.Library("snnbench", "FRAGMENT")
LIBRARY.define(
    "parallel_forward(Tensor x, Tensor? residual, Tensor? folded, Tensor weight, Tensor bias, int time_steps, "
    "float[] constants, int[] codes) -> Tensor"
)
LIBRARY.define(
    "parallel_backward(Tensor g, Tensor x, Tensor? residual, Tensor? folded, Tensor weight, Tensor bias, "
    "int time_steps, bool training, float[] constants, int[] codes) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)


def _elements(weight: Tensor, summing: bool) -> int:
    """Values in a tile, few enough that registers do not spill at 4 warps on Hopper.

    The backward keeps T^2 + T sums beside the T inputs, or K + 1 sums beside three windows of K values.
    """
    return 256 if summing and len(weight) > 4 else 512


def _flags(x, residual, folded, weight, time_steps):
    slides = {"K": len(weight)} if weight.dim() == 1 else {}
    return {
        "T": time_steps, "STATIC": x.shape[0] < time_steps, "NORM": folded is not None,
        "RESIDUAL": residual is not None, **slides,
    }  # fmt: skip


def parallel_forward(x, residual, folded, weight, bias, time_steps, constants, codes):
    """Spikes `[T, N, C, *]` of W u + b, u the normed current plus the residual."""
    layout = layout_of(x, folded is not None)
    out = empty_sequence(x, time_steps)
    blocks = layout.blocks(_elements(weight, False))
    grid = (triton.cdiv(layout.positions, blocks["BP"]), triton.cdiv(layout.channels, blocks["BC"]))
    scale, shift = (x, x) if folded is None else (folded[0], folded[1])
    program = forward_kernel if weight.dim() == 2 else sliding_forward_kernel
    program[grid](
        x, x if residual is None else residual, scale, shift, weight, bias, out,
        layout.positions, layout.channels, layout.inner, layout.step, constants[0],
        **blocks, **_flags(x, residual, folded, weight, time_steps), STRICT=bool(codes[1]), **OPTIONS,
    )  # fmt: skip
    return out


def parallel_backward(g, x, residual, folded, weight, bias, time_steps, training, constants, codes):
    """Gradients (x, residual, `[2, C]` of gain and bias of the norm, W, b); what does not exist is an empty tensor.

    Without a norm the residual's gradient is that of x, and an empty tensor stands for it.
    """
    norm = folded is not None
    layout = layout_of(x, norm)
    program = backward_kernel if weight.dim() == 2 else sliding_backward_kernel
    store_first = not norm or residual is not None  # phases as in membrane/ops.py
    rows = (folded[0], folded[1], folded[2], folded[3]) if norm else (x, x, x, x)
    scratch = {"device": x.device, "dtype": torch.float32}
    summing = layout.blocks(_elements(weight, True))
    grid = reducing_grid(layout, summing["BP"], x.device)
    sums = torch.empty(2, grid[0], layout.channels, **scratch) if norm else x
    weight_sums = torch.empty(grid[0] * grid[1], weight.numel() + bias.numel(), **scratch)
    first = torch.empty_like(x) if store_first else x

    def launch(grid: tuple[int, int], blocks: dict, affine: Tensor, out: Tensor, **modes: bool) -> None:
        program[grid](
            g, x, x if residual is None else residual, *rows, weight, bias, affine, out, sums, weight_sums,
            layout.positions, layout.channels, layout.inner, layout.step, *constants,
            **blocks, **_flags(x, residual, folded, weight, time_steps), SURROGATE=codes[0], **modes, **OPTIONS,
        )  # fmt: skip

    launch(grid, summing, x, first, SUMS=norm, SUM_W=True, WRITE=store_first, AFFINE=False)
    g_weight, g_bias = weight_sums.sum(0).split((weight.numel(), bias.numel()))
    g_weight, g_bias, nothing = g_weight.view(weight.shape).clone(), g_bias.clone(), x.new_empty(0)
    if not norm:
        return first, nothing, x.new_empty(0), g_weight, g_bias

    def write(affine: Tensor, g_x: Tensor) -> None:
        blocks = layout.blocks(_elements(weight, False))
        whole = (triton.cdiv(layout.positions, blocks["BP"]), triton.cdiv(layout.channels, blocks["BC"]))
        launch(whole, blocks, affine, g_x, SUMS=False, SUM_W=False, WRITE=True, AFFINE=True)

    g_x, grads = norm_input_gradient(x, first if store_first else None, folded, sums, training, layout, write)
    return g_x, first if residual is not None else nothing, grads, g_weight, g_bias


LIBRARY.impl("parallel_forward", parallel_forward, "CompositeExplicitAutograd")
LIBRARY.impl("parallel_backward", parallel_backward, "CompositeExplicitAutograd")


@torch.library.register_fake("snnbench::parallel_forward", lib=LIBRARY)
def _(x, residual, folded, weight, bias, time_steps, constants, codes):
    return empty_sequence(x, time_steps)


@torch.library.register_fake("snnbench::parallel_backward", lib=LIBRARY)
def _(g, x, residual, folded, weight, bias, time_steps, training, constants, codes) -> tuple[Tensor, ...]:
    both = residual is not None and folded is not None
    grads = x.new_empty(2, x.shape[2], dtype=torch.float32) if folded is not None else x.new_empty(0)
    g_residual = torch.empty_like(x) if both else x.new_empty(0)
    return torch.empty_like(x), g_residual, grads, torch.empty_like(weight), torch.empty_like(bias)


class _Parallel(torch.autograd.Function):
    """Spikes of x `[T or 1, N, C, *]`; keeps x, the residual, W, b and four numbers a channel for the backward."""

    @staticmethod
    def forward(
        ctx, x, residual, gain, scale_bias, weight, bias, running_mean, running_var, time_steps, form, norm, static
    ):
        folded = fold(x, gain, scale_bias, running_mean, running_var, norm, static)
        ctx.save_for_backward(x, residual, folded, weight, bias)
        ctx.time_steps, ctx.form, ctx.training = time_steps, form, norm is not None and norm.training
        return OPS.parallel_forward(x, residual, folded, weight, bias, time_steps, form.constants, form.codes)

    @staticmethod
    def backward(ctx, g):
        x, residual, folded, weight, bias = ctx.saved_tensors
        g = like(g, empty_sequence(x, ctx.time_steps))
        g_x, g_residual, grads, g_weight, g_bias = OPS.parallel_backward(
            g, x, residual, folded, weight, bias, ctx.time_steps, ctx.training, ctx.form.constants, ctx.form.codes
        )
        normed = folded is not None
        if residual is not None and not normed:
            g_residual = g_x
        return (
            g_x, g_residual if residual is not None else None, grads[0] if normed else None,
            grads[1] if normed else None, g_weight, g_bias, None, None, None, None, None, None,
        )  # fmt: skip


def run(x_seq: Tensor, residual: Tensor | None, norm: NormForm | None, form: Form) -> Tensor:
    """Currents `[T, N, C, *]` (before the norm) to spikes of the same shape, dtype and layout; see membrane.ops.run."""
    static = is_static(x_seq)
    x = dense(step_of(x_seq).unsqueeze(0) if static and residual is None else x_seq)
    residual = None if residual is None else like(residual, x)
    gain, bias, mean, var = (norm.gain, norm.bias, norm.running_mean, norm.running_var) if norm else (None,) * 4
    weight, threshold = form.weight.float().contiguous(), form.bias.float().contiguous()
    return _Parallel.apply(x, residual, gain, bias, weight, threshold, mean, var, len(x_seq), form, norm, static)
