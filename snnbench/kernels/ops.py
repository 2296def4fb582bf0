"""The kernels as operators of `torch.library` (`torch.ops.snnbench.*`): torch.compile and CUDA graphs see through them.

constants = [k, v_th, v_reset, amplitude, p0, p1]; codes = [dynamics, surrogate, soft, detach, strict] and the learnt
numbers as `MembraneForm` has them; steps is TEBN's p `[T]`. x is `[T, N, C, *]`, or `[1, N, C, *]` for a static
sequence of `time_steps` equal steps.
"""

from __future__ import annotations

from functools import cache

import torch
import triton
from torch import Tensor

from snnbench.kernels.form import COMPLEMENTARY, GATED
from snnbench.kernels.layout import Layout, empty_sequence, layout_of
from snnbench.kernels.moments import affine_kernel, coefficients_kernel, fold_kernel, sums_kernel
from snnbench.kernels.sequence import backward_kernel, forward_kernel

CHUNK = 8  # steps whose states fit in registers
ELEMENTS = 1024  # values of a tile: 8 a thread at 4 warps
SUMS_ELEMENTS = 4 * ELEMENTS  # of a tile that is only summed up: four loads on their way at once
PROGRAMS = 4  # of a reducing kernel on each multiprocessor
MOST_REGISTERS = 128  # a thread, where ptxas would take some more: four programs fit at once then, not three
OPTIONS = {"num_warps": 4, "enable_fp_fusion": False}

LIBRARY = torch.library.Library("snnbench", "DEF")
LIBRARY.define(
    "norm_fold(Tensor x, Tensor gain, Tensor bias, Tensor(a!) running_mean, Tensor(b!) running_var, bool training, "
    "float momentum, float eps) -> Tensor"
)
LIBRARY.define(
    "membrane_forward(Tensor x, Tensor? residual, Tensor? folded, Tensor? steps, Tensor? learnt, int time_steps, "
    "float[] constants, int[] codes) -> Tensor"
)
LIBRARY.define(
    "membrane_backward(Tensor g, Tensor x, Tensor? residual, Tensor? folded, Tensor? steps, Tensor? learnt, "
    "int time_steps, bool training, float[] constants, int[] codes) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)


@cache
def _programs(device: torch.device, a_processor: int) -> int:
    if device.type != "cuda":
        return 3
    return torch.cuda.get_device_properties(device).multi_processor_count * a_processor


def reducing_grid(layout: Layout, rows: int, device: torch.device, a_processor: int = PROGRAMS) -> tuple[int, int]:
    """Programs of a kernel that reduces: enough to fill the device, few enough to add up quickly."""
    across = triton.cdiv(layout.channels, layout.channel_block)
    return max(1, min(triton.cdiv(layout.positions, rows), _programs(device, a_processor) // across)), across


def _small(channels: int) -> dict[str, int]:
    return {"ROWS": 256, "BC": min(8, 1 << (channels - 1).bit_length())}


def norm_fold(x, gain, bias, running_mean, running_var, training, momentum, eps):
    """`[4, C]` scale, shift, mean, rstd of batch normalisation over (T, N, space); see moments.fold_kernel."""
    merged = x.flatten(0, 1).unsqueeze(0)
    layout = layout_of(merged, True)
    folded = torch.empty(4, layout.channels, device=x.device, dtype=torch.float32)
    sums, programs = folded, 0
    if training:
        blocks = layout.blocks(SUMS_ELEMENTS)
        grid = reducing_grid(layout, blocks["BP"], x.device)
        programs = grid[0]
        sums = torch.empty(2, programs, layout.channels, device=x.device, dtype=torch.float32)
        sums_kernel[grid](x, sums, layout.positions, layout.channels, layout.inner, **blocks, **OPTIONS)
    small = _small(layout.channels)
    fold_kernel[(triton.cdiv(layout.channels, small["BC"]),)](
        x, sums, gain, bias, running_mean, running_var, folded, programs, layout.channels, layout.inner,
        float(layout.positions), momentum, eps, TRAINING=training, CHANNELS_LAST=layout.channels_last,
        **small, **OPTIONS,
    )  # fmt: skip
    return folded


def norm_input_gradient(x, first, folded, sums, training, layout, write, steps=None):
    """(dL/dx, `[2, C]` of gain and bias) of a norm, from the sums that `backward_kernel` with SUMS left.

    first: the stored dL/d(normed x), times `steps [T]` where given; None: `write(affine, g_x)` recomputes it.
    """
    scratch = {"device": x.device, "dtype": torch.float32}
    grads, affine = torch.empty(2, layout.channels, **scratch), torch.empty(3, layout.channels, **scratch)
    small, count = _small(layout.channels), float(layout.positions * x.shape[0])
    coefficients_kernel[(triton.cdiv(layout.channels, small["BC"]),)](
        sums, folded, grads, affine, sums.shape[1], layout.channels, count,
        TRAINING=training, RENORMALISED=len(folded) == 6, **small, **OPTIONS,
    )  # fmt: skip
    g_x = torch.empty_like(x)
    if first is None:
        write(affine, g_x)
        return g_x, grads
    blocks, positions = layout.blocks(ELEMENTS), layout.positions * x.shape[0]
    affine_kernel[(triton.cdiv(positions, blocks["BP"]), triton.cdiv(layout.channels, blocks["BC"]))](
        first, x, affine, x if steps is None else steps, g_x, positions, layout.channels, layout.inner,
        layout.positions, STEPS=steps is not None, **blocks, **OPTIONS,
    )  # fmt: skip
    return g_x, grads


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


def backward_elements(chunk: int, plain: bool) -> int:
    """Values of a tile for which the backward of `chunk` steps does not spill on Hopper (tests/kernels/compiling.py).

    A thread keeps 32 values, those of one step times the steps; 16 unless plain (one state, no sums of each step).
    """
    return min(ELEMENTS, 128 << (((32 if plain else 16) // chunk).bit_length() - 1))


def _or_empty(tensor: Tensor | None, x: Tensor) -> Tensor:
    return x.new_empty(0) if tensor is None else tensor


def membrane_forward(x, residual, folded, steps, learnt, time_steps, constants, codes):
    """Spikes `[T, N, C, *]` of charge, fire and reset; norm scale and shift from `folded`."""
    layout = _layout(x, folded, learnt)
    out = empty_sequence(x, time_steps)
    blocks = layout.blocks(ELEMENTS if codes[0] != GATED else ELEMENTS // 2)  # rows of gains lie as bf16 tiles do then
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
    """Gradients (x, residual, `[2, C]` of gain and bias, learnt, steps); what does not exist is an empty tensor.

    Without a norm the residual's gradient is x's and not returned twice.
    """
    norm = folded is not None
    layout, flags = _layout(x, folded, learnt), _flags(x, residual, folded, steps, learnt, time_steps, codes)
    chunks, states = triton.cdiv(time_steps, flags["CHUNK"]), 1 if codes[0] < COMPLEMENTARY else 2
    store_first = not norm or residual is not None or chunks > 1  # dL/du is needed, or dear to compute twice
    blocks = layout.blocks(backward_elements(flags["CHUNK"], states == 1 and steps is None))
    whole = (triton.cdiv(layout.positions, blocks["BP"]), triton.cdiv(layout.channels, blocks["BC"]))
    grid = reducing_grid(layout, blocks["BP"], x.device) if norm or learnt is not None else whole
    scratch = {"device": x.device, "dtype": torch.float32}
    partial = torch.zeros if chunks > 1 else torch.empty  # sums of single steps are added in memory then
    state = torch.empty(chunks, states, layout.step, **scratch) if chunks > 1 else x
    sums = torch.empty(2, grid[0], layout.channels, **scratch) if norm else x
    learnt_sums = partial(grid[0], learnt.shape[0], layout.channels, **scratch) if learnt is not None else x
    steps_sums = partial(grid[0] * grid[1], time_steps, **scratch) if steps is not None else x
    rows = (folded[0], folded[1], folded[2], folded[3]) if norm else (x, x, x, x)
    first = torch.empty_like(x) if store_first else x

    def launch(grid: tuple[int, int], affine: Tensor, out: Tensor, **modes: bool) -> None:
        # what tests/kernels/compiling.py shows above MOST_REGISTERS; below it, a limit makes ptxas take more
        crowded = norm and (layout.channels_last or residual is not None) and (modes["SUMS"] or steps is None)
        backward_kernel[grid](
            g, x, x if residual is None else residual, *rows, x if steps is None else steps,
            x if learnt is None else learnt, affine, state, out, sums, learnt_sums, steps_sums,
            layout.positions, layout.channels, layout.inner, layout.step, *constants,
            **blocks, **flags, DETACH=bool(codes[3]), SURROGATE=codes[1], **modes, **OPTIONS,
            maxnreg=MOST_REGISTERS if crowded and codes[0] != GATED else None,  # GLIF keeps too many sums
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
        None if residual is None else steps,  # beside a residual the stored gradient is that of the sum
    )  # fmt: skip
    g_residual = None if residual is None else first
    return g_x, _or_empty(g_residual, x), grads, _or_empty(g_learnt, x), _or_empty(g_steps, x)


LIBRARY.impl("norm_fold", norm_fold, "CompositeExplicitAutograd")
LIBRARY.impl("membrane_forward", membrane_forward, "CompositeExplicitAutograd")
LIBRARY.impl("membrane_backward", membrane_backward, "CompositeExplicitAutograd")


@torch.library.register_fake("snnbench::norm_fold", lib=LIBRARY)
def _(x, gain, bias, running_mean, running_var, training, momentum, eps):
    return torch.empty(4, gain.shape[0], device=x.device, dtype=torch.float32)


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
