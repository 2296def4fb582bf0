"""The kernels of `sequence` as operators of torch.library, and the autograd function around them.

As operators (`torch.ops.snnbench.*`) they stay whole under torch.compile and in CUDA graphs. Their arguments:

    x           currents `[T, N, C, *]`, or `[1, N, C, *]` for a static sequence of `time_steps` equal steps
    residual    `[T, N, C, *]`, added to the normed currents
    folded      `[4, C]` of `norm_fold`: scale, shift, mean, 1/deviation
    steps       TEBN's factors `[T]`
    learnt, constants, codes    see `MembraneForm`
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from snnbench.kernels.common.form import Form, NormForm
from snnbench.kernels.common.launch import CHUNK, ELEMENTS, MOST_REGISTERS, OPTIONS, backward_elements, reducing_grid
from snnbench.kernels.common.layout import Layout, dense, empty_sequence, layout_of, like
from snnbench.kernels.common.norm import fold, norm_input_gradient
from snnbench.kernels.membrane.codes import GATED, TWO_STATES
from snnbench.kernels.membrane.sequence import backward_kernel, forward_kernel
from snnbench.temporal import is_static, step_of

OPS = torch.ops.snnbench

LIBRARY = torch.library.Library("snnbench", "FRAGMENT")
LIBRARY.define(
    "membrane_forward(Tensor x, Tensor? residual, Tensor? folded, Tensor? steps, Tensor? learnt, int time_steps, "
    "float[] constants, int[] codes) -> Tensor"
)
LIBRARY.define(
    "membrane_backward(Tensor g, Tensor x, Tensor? residual, Tensor? folded, Tensor? steps, Tensor? learnt, "
    "int time_steps, bool training, float[] constants, int[] codes) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)


def _layout(x: Tensor, folded: Tensor | None, learnt: Tensor | None) -> Layout:
    return layout_of(x, folded is not None or (learnt is not None and learnt.shape[1] > 1))


def _flags(x, residual, folded, steps, learnt, time_steps, codes):
    dynamics, _, soft, _, strict = codes
    return {
        "T": time_steps, "CHUNK": triton.cdiv(time_steps, triton.cdiv(time_steps, CHUNK)),
        "STATIC": x.shape[0] < time_steps, "NORM": folded is not None, "STEPS": steps is not None,
        "RESIDUAL": residual is not None, "LEARNT": learnt is not None,
        "SHARED": learnt is not None and learnt.shape[1] == 1, "DYNAMICS": dynamics, "SOFT": bool(soft),
        "STRICT": bool(strict),
    }  # fmt: skip


def _or_empty(tensor: Tensor | None, x: Tensor) -> Tensor:
    return x.new_empty(0) if tensor is None else tensor


def membrane_forward(x, residual, folded, steps, learnt, time_steps, constants, codes):
    """Spikes `[T, N, C, *]` of charge, fire and reset; norm scale and shift from `folded`."""
    layout = _layout(x, folded, learnt)
    out = empty_sequence(x, time_steps)
    # GLIF loads a row of fp32 gains in each step. With half a tile they lie in the threads as a bf16 tile does.
    blocks = layout.blocks(ELEMENTS if codes[0] != GATED else ELEMENTS // 2)
    grid = (triton.cdiv(layout.positions, blocks["BP"]), triton.cdiv(layout.channels, blocks["BC"]))
    scale, shift = (x, x) if folded is None else (folded[0], folded[1])
    forward_kernel[grid](
        x, x if residual is None else residual, scale, shift, x if steps is None else steps,
        x if learnt is None else learnt, out,
        layout.positions, layout.channels, layout.inner, layout.step, *constants[:4],
        **blocks, **_flags(x, residual, folded, steps, learnt, time_steps, codes), **OPTIONS,
    )  # fmt: skip
    return out


def membrane_backward(g, x, residual, folded, steps, learnt, time_steps, training, constants, codes):
    """Gradients of x, the residual, gain and bias (`[2, C]`), learnt and steps. A missing one is an empty tensor.

    Without a norm the residual's gradient is that of x, and an empty tensor stands for it.
    """
    norm = folded is not None
    layout, flags = _layout(x, folded, learnt), _flags(x, residual, folded, steps, learnt, time_steps, codes)
    chunks, states = triton.cdiv(time_steps, flags["CHUNK"]), 2 if codes[0] in TWO_STATES else 1
    # Phase 1 leaves the sums that a norm needs before dL/dx is known. It also stores dL/du where somebody needs it, or
    # where computing it twice costs more than storing it. Phase 2, in `norm_input_gradient`, makes dL/dx of the stored
    # dL/du, or computes dL/du again and writes dL/dx at once.
    store_first = not norm or residual is not None or chunks > 1
    blocks = layout.blocks(backward_elements(flags["CHUNK"], states == 1 and steps is None))
    whole = (triton.cdiv(layout.positions, blocks["BP"]), triton.cdiv(layout.channels, blocks["BC"]))
    grid = reducing_grid(layout, blocks["BP"], x.device) if norm or learnt is not None else whole
    scratch = {"device": x.device, "dtype": torch.float32}
    partial = torch.zeros if chunks > 1 else torch.empty  # several chunks add their sums of single steps in memory
    state = torch.empty(chunks, states, layout.step, **scratch) if chunks > 1 else x
    sums = torch.empty(2, grid[0], layout.channels, **scratch) if norm else x
    learnt_sums = partial(grid[0], learnt.shape[0], layout.channels, **scratch) if learnt is not None else x
    steps_sums = partial(grid[0] * grid[1], time_steps, **scratch) if steps is not None else x
    rows = (folded[0], folded[1], folded[2], folded[3]) if norm else (x, x, x, x)
    first = torch.empty_like(x) if store_first else x

    def launch(grid: tuple[int, int], affine: Tensor, out: Tensor, **modes: bool) -> None:
        # Only the variants that use a little more than MOST_REGISTERS get a limit; tests/kernels/compiling.py prints
        # the counts. Where ptxas needs fewer by itself, a limit would make it use more.
        crowded = norm and (layout.channels_last or residual is not None) and (modes["SUMS"] or steps is None)
        backward_kernel[grid](
            g, x, x if residual is None else residual, *rows, x if steps is None else steps,
            x if learnt is None else learnt, affine, state, out, sums, learnt_sums, steps_sums,
            layout.positions, layout.channels, layout.inner, layout.step, *constants,
            **blocks, **flags, DETACH=bool(codes[3]), SURROGATE=codes[1], **modes, **OPTIONS,
            maxnreg=MOST_REGISTERS if crowded and codes[0] != GATED else None,  # GLIF's sums would spill under a limit
        )  # fmt: skip

    launch(grid, x, first, SUMS=norm, SUM_LEARNT=learnt is not None, WRITE=store_first, AFFINE=False)
    g_learnt = g_steps = None
    if learnt is not None:
        g_learnt = learnt_sums.sum((0, 2)).unsqueeze(1) if flags["SHARED"] else learnt_sums.sum(0)
    if steps is not None:
        g_steps = steps_sums.sum(0)
    if not norm:
        return first, x.new_empty(0), x.new_empty(0), _or_empty(g_learnt, x), x.new_empty(0)

    def write(affine: Tensor, g_x: Tensor) -> None:
        launch(whole, affine, g_x, SUMS=False, SUM_LEARNT=False, WRITE=True, AFFINE=True)

    g_x, grads = norm_input_gradient(
        x, first if store_first else None, folded, sums, training, layout, write,
        None if residual is None else steps,  # with a residual, the stored gradient is that of norm plus residual
    )  # fmt: skip
    g_residual = None if residual is None else first
    return g_x, _or_empty(g_residual, x), grads, _or_empty(g_learnt, x), _or_empty(g_steps, x)


LIBRARY.impl("membrane_forward", membrane_forward, "CompositeExplicitAutograd")
LIBRARY.impl("membrane_backward", membrane_backward, "CompositeExplicitAutograd")


@torch.library.register_fake("snnbench::membrane_forward", lib=LIBRARY)
def _(x, residual, folded, steps, learnt, time_steps, constants, codes):
    return empty_sequence(x, time_steps)


@torch.library.register_fake("snnbench::membrane_backward", lib=LIBRARY)
def _(g, x, residual, folded, steps, learnt, time_steps, training, constants, codes) -> tuple[Tensor, ...]:
    def like(tensor: Tensor | None) -> Tensor:
        return x.new_empty(0) if tensor is None else tensor.new_empty(tensor.shape, dtype=torch.float32)

    normed_residual = residual is not None and folded is not None
    return (
        torch.empty_like(x),
        torch.empty_like(x) if normed_residual else x.new_empty(0),
        x.new_empty(2, x.shape[2], dtype=torch.float32) if folded is not None else x.new_empty(0),
        like(learnt),
        like(steps),
    )


class _Sequence(torch.autograd.Function):
    """Spikes of x `[T or 1, N, C, *]`. Keeps x, the residual and some numbers of each channel for the backward."""

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


def run(x_seq: Tensor, residual: Tensor | None, norm: NormForm | None, form: Form) -> Tensor:
    """Currents `[T, N, C, *]` (before the norm) to spikes of the same shape, dtype and layout.

    Args:
        x_seq: `[T, N, C, *]`. A static sequence is read once, and its gradient comes back summed over time.
        residual: `[T, N, C, *]`, added to the normed currents, or None.
        norm: the norm to apply first, or None.
        form: a `MembraneForm`.
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
