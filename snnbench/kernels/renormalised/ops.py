"""The kernels of OSR's norm and neuron as operators of torch.library, and the autograd function of one step."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from snnbench.kernels.common.form import Form
from snnbench.kernels.common.launch import ELEMENTS, OPTIONS, reducing_grid
from snnbench.kernels.common.layout import Layout, dense, layout_of, like
from snnbench.kernels.common.norm import norm_input_gradient
from snnbench.kernels.renormalised.kernels import (
    walk_backward_kernel,
    walk_fire_kernel,
    walk_fold_kernel,
    walk_sums_kernel,
)

LIBRARY = torch.library.Library("snnbench", "FRAGMENT")
LIBRARY.define(
    "renorm_forward(Tensor x, Tensor? v, Tensor? ratio, Tensor weight, Tensor bias, Tensor running_mean, "
    "Tensor running_var, Tensor(a!) pending_mean, Tensor(b!) pending_square, Tensor(c!) pending_steps, bool training, "
    "float eps, float bound, bool clip, float[] constants, int[] codes) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)
LIBRARY.define(
    "renorm_backward(Tensor g, Tensor x, Tensor? v, Tensor folded, Tensor threshold, float[] constants, int[] codes) "
    "-> (Tensor, Tensor)"
)


def _whole(layout: Layout, blocks: dict) -> tuple[int, int]:
    return triton.cdiv(layout.positions, blocks["BP"]), triton.cdiv(layout.channels, blocks["BC"])


def renorm_forward(
    x, v, ratio, weight, bias, running_mean, running_var, pending_mean, pending_square, pending_steps, training, eps,
    bound, clip, constants, codes,
):  # fmt: skip
    """(spikes like x, next state like v, ratio 0-d, folded `[6, C]`, threshold 0-d) of x `[1, N, C, *]`."""
    layout = layout_of(x, True)
    blocks, scratch = layout.blocks(ELEMENTS), {"device": x.device, "dtype": torch.float32}
    sizes = (layout.positions, layout.channels, layout.inner)
    leak, v_th, v_reset, amplitude, *_ = constants
    dynamics, _, soft, _, strict = codes
    state = {"STATE": v is not None}
    # one program adds up what these leave, so there are half as many as elsewhere, and each has four tiles at least
    grid = reducing_grid(layout, 4 * blocks["BP"], x.device, a_processor=2)
    sums = torch.empty(5, grid[0], layout.channels, **scratch)
    walk_sums_kernel[grid](x, x if v is None else v, sums, *sizes, **blocks, **state, **OPTIONS)
    folded = torch.empty(6, layout.channels, **scratch)
    threshold, following_ratio = torch.empty((), **scratch), torch.empty((), **scratch)
    width = 1 << (layout.channels - 1).bit_length()
    walk_fold_kernel[(1,)](
        x, sums, weight, bias, running_mean, running_var, pending_mean, pending_square, pending_steps,
        threshold if ratio is None else ratio, folded, threshold, following_ratio, grid[0], layout.channels,
        layout.inner, float(layout.positions), eps, bound, leak, v_th, TRAINING=training, CLIP=clip, **state,
        CHANNELS_LAST=layout.channels_last, ROWS=max(1, 4096 // width), BC=width, **OPTIONS | {"num_warps": 8},
    )  # fmt: skip
    spikes, following = torch.empty_like(x), torch.empty_like(x, dtype=torch.float32)
    walk_fire_kernel[_whole(layout, blocks)](
        x, x if v is None else v, folded, threshold, spikes, following, *sizes, leak, v_reset, amplitude,
        **blocks, **state, DYNAMICS=dynamics, SOFT=bool(soft), STRICT=bool(strict), **OPTIONS,
    )  # fmt: skip
    return spikes, following, following_ratio, folded, threshold


def renorm_backward(g, x, v, folded, threshold, constants, codes):
    """(dL/dx, `[2, C]` of weight and bias)."""
    layout = layout_of(x, True)
    blocks = layout.blocks(ELEMENTS)
    grid = reducing_grid(layout, blocks["BP"], x.device)
    sums = torch.empty(2, grid[0], layout.channels, device=x.device, dtype=torch.float32)
    leak, _, v_reset, amplitude, p0, p1 = constants

    def launch(grid: tuple[int, int], affine: Tensor, out: Tensor, write: bool) -> None:
        walk_backward_kernel[grid](
            g, x, x if v is None else v, folded, threshold, affine, out, sums,
            layout.positions, layout.channels, layout.inner, leak, v_reset, amplitude, p0, p1,
            **blocks, STATE=v is not None, DYNAMICS=codes[0], SURROGATE=codes[1], WRITE=write, **OPTIONS,
        )  # fmt: skip

    launch(grid, folded, x, False)  # phase 1: the sums
    # phase 2: the norm's coefficients from the sums; phase 3, in `write`: dL/dx
    return norm_input_gradient(
        x, None, folded, sums, True, layout, lambda affine, out: launch(_whole(layout, blocks), affine, out, True)
    )


LIBRARY.impl("renorm_forward", renorm_forward, "CompositeExplicitAutograd")
LIBRARY.impl("renorm_backward", renorm_backward, "CompositeExplicitAutograd")


@torch.library.register_fake("snnbench::renorm_forward", lib=LIBRARY)
def _(x, v, ratio, weight, *_):
    number = weight.new_empty((), dtype=torch.float32)
    folded = weight.new_empty((6, len(weight)), dtype=torch.float32)
    return torch.empty_like(x), torch.empty_like(x, dtype=torch.float32), number, folded, number.clone()


@torch.library.register_fake("snnbench::renorm_backward", lib=LIBRARY)
def _(g, x, v, folded, threshold, constants, codes):
    return torch.empty_like(x), folded.new_empty(2, folded.shape[1])


class _RenormalisedStep(torch.autograd.Function):
    """(spikes, next state, ratio); no gradient flows through the last two."""

    @staticmethod
    def forward(ctx, x, weight, bias, v, ratio, norm, form):
        statistics = (norm.running_mean, norm.running_var, *norm.pending)
        bounds = (norm.training, norm.eps, norm.bound, norm.clip)
        spikes, state, ratio, folded, threshold = torch.ops.snnbench.renorm_forward(
            x, v, ratio, weight, bias, *statistics, *bounds, form.constants, form.codes
        )
        ctx.save_for_backward(x, v, folded, threshold)
        ctx.form = form
        ctx.mark_non_differentiable(state, ratio)
        ctx.set_materialize_grads(False)  # no zeros for those two
        return spikes, state, ratio

    @staticmethod
    def backward(ctx, g, *_):
        x, v, folded, threshold = ctx.saved_tensors
        arguments = (x, v, folded, threshold, ctx.form.constants, ctx.form.codes)
        g_x, grads = torch.ops.snnbench.renorm_backward(like(g, x), *arguments)
        return g_x, grads[0], grads[1], None, None, None, None


def run(x_t: Tensor, v: Tensor | None, ratio: Tensor | None, norm, form: Form):
    """(spikes `[N, C, *]` in x_t's dtype, next state `[N, C, *]` fp32, ratio 0-d) of one step.

    Args:
        x_t: currents before the norm, `[N, C, *]`.
        v: the state `[N, C, *]`, or None where it is zero.
        ratio: the normalised threshold of the first step, 0-d, or None at the first step.
        norm: a `RenormForm`.
        form: the neuron's `MembraneForm`.
    """
    x = dense(x_t.unsqueeze(0))
    v = None if v is None else like(v.unsqueeze(0), torch.empty_like(x, dtype=torch.float32))
    spikes, state, ratio = _RenormalisedStep.apply(x, norm.gain, norm.bias, v, ratio, norm, form)
    return spikes.squeeze(0), state.squeeze(0), ratio
