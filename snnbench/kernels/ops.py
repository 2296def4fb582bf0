"""The kernels as operators of `torch.library` (`torch.ops.snnbench.*`): torch.compile and CUDA graphs see through them.

constants = [k, v_th, v_reset, amplitude, p0, p1]; codes = [charge, surrogate, soft, detach, strict] as `MembraneForm`
makes them. x is `[T, N, C, *]`, or `[1, N, C, *]` for a static sequence of `time_steps` equal steps.
"""

from __future__ import annotations

from functools import cache

import torch
import triton
from torch import Tensor

from snnbench.kernels.layout import Layout, empty_sequence, layout_of
from snnbench.kernels.moments import coefficients_kernel, fold_kernel, sums_kernel
from snnbench.kernels.sequence import affine_kernel, backward_kernel, forward_kernel

CHUNK = 8  # steps whose membranes fit in registers
ELEMENTS = 1024  # values of a tile: 8 a thread at 4 warps
OPTIONS = {"num_warps": 4, "enable_fp_fusion": False}

LIBRARY = torch.library.Library("snnbench", "DEF")
LIBRARY.define(
    "norm_fold(Tensor x, Tensor gain, Tensor bias, Tensor(a!) running_mean, Tensor(b!) running_var, bool training, "
    "float momentum, float eps) -> Tensor"
)
LIBRARY.define(
    "membrane_forward(Tensor x, Tensor? residual, Tensor? folded, Tensor? k, int time_steps, float[] constants, "
    "int[] codes) -> Tensor"
)
LIBRARY.define(
    "membrane_backward(Tensor g, Tensor x, Tensor? residual, Tensor? folded, Tensor? k, int time_steps, "
    "bool training, float[] constants, int[] codes) -> (Tensor, Tensor, Tensor, Tensor)"
)


@cache
def _programs(device: torch.device) -> int:
    """Programs of a kernel that reduces: enough to fill the device, few enough to add up quickly."""
    return torch.cuda.get_device_properties(device).multi_processor_count * 4 if device.type == "cuda" else 3


def _reducing_grid(layout: Layout, rows: int, device: torch.device) -> tuple[int, int]:
    across = triton.cdiv(layout.channels, layout.channel_block)
    return max(1, min(triton.cdiv(layout.positions, rows), _programs(device) // across)), across


def _small(channels: int) -> dict[str, int]:
    return {"ROWS": 256, "BC": min(8, 1 << (channels - 1).bit_length())}


def norm_fold(x, gain, bias, running_mean, running_var, training, momentum, eps):
    """`[4, C]` scale, shift, mean, rstd of batch normalisation over (T, N, space); see moments.fold_kernel."""
    merged = x.flatten(0, 1).unsqueeze(0)
    layout = layout_of(merged, True)
    folded = torch.empty(4, layout.channels, device=x.device, dtype=torch.float32)
    sums, programs = folded, 0
    if training:
        blocks = layout.blocks(ELEMENTS)
        grid = _reducing_grid(layout, blocks["BP"], x.device)
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


def _flags(x, residual, folded, k, time_steps, codes):
    charge, _, soft, _, strict = codes
    return {
        "T": time_steps, "CHUNK": min(time_steps, CHUNK), "STATIC": x.shape[0] < time_steps, "NORM": folded is not None,
        "RESIDUAL": residual is not None, "LEARNT": k is not None, "CHARGE": charge, "SOFT": bool(soft),
        "STRICT": bool(strict),
    }  # fmt: skip


def membrane_forward(x, residual, folded, k, time_steps, constants, codes):
    """Spikes `[T, N, C, *]` of charge, fire and reset; norm scale and shift from `folded`."""
    layout = layout_of(x, folded is not None)
    out = empty_sequence(x, time_steps)
    blocks = layout.blocks(ELEMENTS)
    grid = (triton.cdiv(layout.positions, blocks["BP"]), triton.cdiv(layout.channels, blocks["BC"]))
    scale, shift = (x, x) if folded is None else (folded[0], folded[1])
    forward_kernel[grid](
        x, x if residual is None else residual, scale, shift, x if k is None else k, out,
        layout.positions, layout.channels, layout.inner, layout.step, *constants[:4],
        **blocks, **_flags(x, residual, folded, k, time_steps, codes), **OPTIONS,
    )  # fmt: skip
    return out


def membrane_backward(g, x, residual, folded, k, time_steps, training, constants, codes):
    """Gradients (x, residual, `[2, C]` of gain and bias, k); what does not exist is an empty tensor.

    Without a norm the residual's gradient is x's and not returned twice.
    """
    norm = folded is not None
    layout, flags = layout_of(x, norm), _flags(x, residual, folded, k, time_steps, codes)
    chunks = triton.cdiv(time_steps, CHUNK)
    membrane = torch.empty(chunks, layout.step, device=x.device, dtype=torch.float32) if chunks > 1 else x
    store_first = not norm or residual is not None or chunks > 1  # dL/du is needed, or dear to compute twice
    blocks = layout.blocks(ELEMENTS)
    grid = _reducing_grid(layout, blocks["BP"], x.device)
    if not norm and k is None:
        grid = (triton.cdiv(layout.positions, blocks["BP"]), 1)
    scratch = {"device": x.device, "dtype": torch.float32}
    sums = torch.empty(2, grid[0], layout.channels, **scratch) if norm else x
    k_sums = torch.empty(grid[0] * grid[1], **scratch) if k is not None else x
    rows = (folded[0], folded[1], folded[2], folded[3]) if norm else (x, x, x, x)
    first = torch.empty_like(x) if store_first else x
    grads = torch.empty(2, layout.channels, **scratch) if norm else x
    affine = torch.empty(3, layout.channels, **scratch) if norm else x

    def launch(grid: tuple[int, int], out: Tensor, **modes: bool) -> None:
        backward_kernel[grid](
            g, x, x if residual is None else residual, *rows, x if k is None else k, affine, membrane, out, sums,
            k_sums,
            layout.positions, layout.channels, layout.inner, layout.step, *constants,
            **blocks, **flags, DETACH=bool(codes[3]), SURROGATE=codes[1], **modes, **OPTIONS,
        )  # fmt: skip

    launch(grid, first, SUMS=norm, SUM_K=k is not None, WRITE=store_first, AFFINE=False)
    g_k = k_sums.sum() if k is not None else x.new_empty(0)
    if not norm:
        return first, x.new_empty(0), x.new_empty(0), g_k
    count = float(layout.positions * x.shape[0])
    small = _small(layout.channels)
    coefficients_kernel[(triton.cdiv(layout.channels, small["BC"]),)](
        sums, folded, grads, affine, grid[0], layout.channels, count, TRAINING=training, **small, **OPTIONS
    )
    g_x = torch.empty_like(x)
    positions = layout.positions * (x.shape[0] if store_first else 1)
    whole = (triton.cdiv(positions, blocks["BP"]), triton.cdiv(layout.channels, blocks["BC"]))
    if store_first:
        affine_kernel[whole](first, x, affine, g_x, positions, layout.channels, layout.inner, **blocks, **OPTIONS)
    else:
        launch(whole, g_x, SUMS=False, SUM_K=False, WRITE=True, AFFINE=True)
    return g_x, first if residual is not None else x.new_empty(0), grads, g_k


LIBRARY.impl("norm_fold", norm_fold, "CompositeExplicitAutograd")
LIBRARY.impl("membrane_forward", membrane_forward, "CompositeExplicitAutograd")
LIBRARY.impl("membrane_backward", membrane_backward, "CompositeExplicitAutograd")


@torch.library.register_fake("snnbench::norm_fold", lib=LIBRARY)
def _(x, gain, bias, running_mean, running_var, training, momentum, eps):
    return torch.empty(4, gain.shape[0], device=x.device, dtype=torch.float32)


@torch.library.register_fake("snnbench::membrane_forward", lib=LIBRARY)
def _(x, residual, folded, k, time_steps, constants, codes):
    return empty_sequence(x, time_steps)


@torch.library.register_fake("snnbench::membrane_backward", lib=LIBRARY)
def _(g, x, residual, folded, k, time_steps, training, constants, codes) -> tuple[Tensor, ...]:
    grads = x.new_empty(2, x.shape[2], dtype=torch.float32) if folded is not None else x.new_empty(0)
    g_k = x.new_empty((), dtype=torch.float32) if k is not None else x.new_empty(0)
    return (
        torch.empty_like(x),
        torch.empty_like(x) if residual is not None and folded is not None else x.new_empty(0),
        grads,
        g_k,
    )
