"""One time step of a membrane neuron, for rules that walk through time and cut its state from the graph.

    h = charge(v, x),   s = H(h - threshold),   v' = reset(h, s);       dL/dx = dL/ds surrogate'(h - threshold) dh/dx

The state v is fp32 in x's layout. The backward computes h again. Bytes moved per element, w = bytes of x: forward
2w + 8, backward 3w + 4. The threshold is a constant of the neuron, or a 0-d tensor (that of LIFOSR moves).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from snnbench.kernels.common.firing import fires, surrogate_derivative
from snnbench.kernels.common.form import Form
from snnbench.kernels.common.launch import OPTIONS
from snnbench.kernels.common.layout import dense, like
from snnbench.kernels.membrane.device import charge, reset, through_charge

BLOCK = 1024

LIBRARY = torch.library.Library("snnbench", "FRAGMENT")
LIBRARY.define(
    "step_forward(Tensor x, Tensor v, Tensor? threshold, float[] constants, int[] codes) -> (Tensor, Tensor)"
)
LIBRARY.define(
    "step_backward(Tensor g, Tensor x, Tensor v, Tensor? threshold, float[] constants, int[] codes) -> Tensor"
)


@triton.jit
def step_kernel(
    x_ptr, v_ptr, threshold_ptr, g_ptr, out_ptr, state_ptr, count, k, v_th, v_reset, amplitude, p0, p1,
    BLOCK: tl.constexpr, THRESHOLD: tl.constexpr, DYNAMICS: tl.constexpr, SOFT: tl.constexpr, STRICT: tl.constexpr,
    SURROGATE: tl.constexpr, BACKWARD: tl.constexpr,
):  # fmt: skip
    """out = spikes and state = v'; BACKWARD: out = dL/dx from g = dL/ds."""
    at = tl.cast(tl.program_id(0), tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < count
    x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
    v = tl.load(v_ptr + at, mask=mask, other=0.0)
    threshold = tl.load(threshold_ptr) if THRESHOLD else v_th
    c = (k, v_reset)
    h = charge(v, v, x, c, DYNAMICS)
    if BACKWARD:
        g_s = tl.load(g_ptr + at, mask=mask, other=0.0).to(tl.float32) * amplitude
        g_x, _, _ = through_charge(g_s * surrogate_derivative(h - threshold, p0, p1, SURROGATE), v, v, v, c, DYNAMICS)
        tl.store(out_ptr + at, g_x.to(out_ptr.dtype.element_ty), mask=mask)
    else:
        fired = fires(h, threshold, STRICT)
        state, _ = reset(h, v, fired, threshold, c, DYNAMICS, SOFT)
        tl.store(out_ptr + at, tl.where(fired, amplitude, 0.0).to(out_ptr.dtype.element_ty), mask=mask)
        tl.store(state_ptr + at, state, mask=mask)


def _launch(x, v, threshold, g, out, state, constants, codes, backward: bool) -> None:
    dynamics, surrogate, soft, _, strict = codes
    step_kernel[(triton.cdiv(x.numel(), BLOCK),)](
        x, v, v if threshold is None else threshold, g, out, state, x.numel(), *constants,
        BLOCK=BLOCK, THRESHOLD=threshold is not None, DYNAMICS=dynamics, SOFT=bool(soft), STRICT=bool(strict),
        SURROGATE=surrogate, BACKWARD=backward, **OPTIONS,
    )  # fmt: skip


def step_forward(x, v, threshold, constants, codes):
    """Spikes like x, and the next state like v."""
    out, state = torch.empty_like(x), torch.empty_like(v)
    _launch(x, v, threshold, x, out, state, constants, codes, backward=False)
    return out, state


def step_backward(g, x, v, threshold, constants, codes):
    """dL/dx."""
    out = torch.empty_like(x)
    _launch(x, v, threshold, g, out, v, constants, codes, backward=True)
    return out


LIBRARY.impl("step_forward", step_forward, "CompositeExplicitAutograd")
LIBRARY.impl("step_backward", step_backward, "CompositeExplicitAutograd")


@torch.library.register_fake("snnbench::step_forward", lib=LIBRARY)
def _(x, v, threshold, constants, codes):
    return torch.empty_like(x), torch.empty_like(v)


@torch.library.register_fake("snnbench::step_backward", lib=LIBRARY)
def _(g, x, v, threshold, constants, codes):
    return torch.empty_like(x)


class _Step(torch.autograd.Function):
    """(spikes, next state) of x and the state v, through which no gradient flows."""

    @staticmethod
    def forward(ctx, x, v, threshold, form):
        spikes, state = torch.ops.snnbench.step_forward(x, v, threshold, form.constants, form.codes)
        ctx.save_for_backward(x, v, threshold)
        ctx.form = form
        ctx.mark_non_differentiable(state)
        ctx.set_materialize_grads(False)  # no zeros for it
        return spikes, state

    @staticmethod
    def backward(ctx, g, _):
        x, v, threshold = ctx.saved_tensors
        arguments = (x, v, threshold, ctx.form.constants, ctx.form.codes)
        return torch.ops.snnbench.step_backward(like(g, x), *arguments), None, None, None


def run(x_t: Tensor, v: Tensor, threshold: Tensor | None, form: Form) -> tuple[Tensor, Tensor]:
    """Spikes `[N, *]` in x_t's dtype and the next state, fp32, of currents x_t and the state v."""
    x_t = dense(x_t.unsqueeze(0)).squeeze(0)
    return _Step.apply(x_t, like(v, torch.empty_like(x_t, dtype=torch.float32)), threshold, form)
