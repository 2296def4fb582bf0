"""Batch normalisation around the kernels of every family: the operator that folds it, and its input's gradient.

A norm over (T, N, space) is scale and shift of a channel. `fold` works these out (in training from one pass over the
currents); a neuron's kernel applies them while it reads. In the backward that kernel sums up dL/dy and dL/dy xhat, and
`norm_input_gradient` turns the sums into the gradients of gain, bias and currents.
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from snnbench.kernels.common.form import NormForm
from snnbench.kernels.common.launch import ELEMENTS, OPTIONS, SUMS_ELEMENTS, reducing_grid
from snnbench.kernels.common.layout import dense, layout_of
from snnbench.kernels.common.moments import affine_kernel, coefficients_kernel, fold_kernel, sums_kernel

LIBRARY = torch.library.Library("snnbench", "DEF")
LIBRARY.define(
    "norm_fold(Tensor x, Tensor gain, Tensor bias, Tensor(a!) running_mean, Tensor(b!) running_var, bool training, "
    "float momentum, float eps) -> Tensor"
)


def _small(channels: int) -> dict[str, int]:
    """Tile of a kernel that adds up the sums of programs: few channels for each, so that many share the work."""
    return {"ROWS": 256, "BC": min(8, 1 << (channels - 1).bit_length())}


def norm_fold(x, gain, bias, running_mean, running_var, training, momentum, eps):
    """Scale, shift, mean and 1/deviation of batch normalisation over (T, N, space), `[4, C]` in fp32.

    In training the statistics are those of x, and the running statistics are updated; see moments.fold_kernel.
    """
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
    """The norm's gradients, computed from the sums that a neuron's backward kernel has stored.

    Returns dL/dx, shaped as x, and the gradients of gain and bias, `[2, C]`.

    Args:
        x: what was normed, `[T, N, C, *]`.
        first: the stored dL/dy of the normed current y, or None where it was not stored.
        folded: `[4, C]` of `norm_fold`, or `[6, C]` of OSR's norm.
        sums: `[2, programs, C]`, sums of dL/dy and of dL/dy xhat.
        training: whether the statistics are the batch's and so carry a gradient.
        layout: of a step of x.
        write: `write(affine, g_x)` computes dL/dy again and writes dL/dx; called where `first` is None.
        steps: `[T]`, factors of `first` of each step (TEBN), or None.
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


LIBRARY.impl("norm_fold", norm_fold, "CompositeExplicitAutograd")


@torch.library.register_fake("snnbench::norm_fold", lib=LIBRARY)
def _(x, gain, bias, running_mean, running_var, training, momentum, eps):
    return torch.empty(4, gain.shape[0], device=x.device, dtype=torch.float32)


def fold(x, gain, bias, running_mean, running_var, norm: NormForm | None, static: bool) -> Tensor | None:
    """`norm_fold` of currents `[T or 1, N, C, *]`, or None without a norm. In training it updates running statistics.

    static: whether x stands for a sequence of equal steps.
    """
    if norm is None:
        return None
    once = x[:1] if static else x  # a static sequence counts once in running_var's n/(n-1), as in the reference
    return torch.ops.snnbench.norm_fold(
        once, gain, bias, running_mean, running_var, norm.training, norm.momentum, norm.eps
    )


def moments(x_t: Tensor) -> tuple[Tensor, Tensor]:
    """(biased variance, mean) of each channel, `[C]` each in fp32, of `[N, C, *]`.

    Uses norm_fold with momentum 1, so the running statistics are this batch's.
    """
    mean, variance, nothing = torch.zeros(3, x_t.shape[1], device=x_t.device)
    torch.ops.snnbench.norm_fold(dense(x_t.unsqueeze(0)), nothing, nothing, mean, variance, True, 1.0, 1.0)
    count = x_t.numel() / len(mean)
    return variance * ((count - 1) / count), mean  # norm_fold stores the unbiased variance, as PyTorch does
