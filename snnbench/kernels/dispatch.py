"""Which path runs: fused kernels on CUDA where they can stand in, else the plain PyTorch reference, said once.

    with use("reference"): ...        # `kernels=reference` on the command line

Models and rules never look here; neurons, norms and the layers they are made of do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import torch
from torch import Tensor

from snnbench.kernels.form import COMPLEMENTARY, AdaptiveForm, MembraneForm, NormForm, ParallelForm
from snnbench.temporal import active_states, as_map

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_MODE: ContextVar[str] = ContextVar("snnbench_kernels", default="auto")
log = logging.getLogger("snnbench.kernels")


@contextmanager
def use(mode: str) -> Iterator[None]:
    """Run what is inside with `auto` (fused where possible), `reference`, or `fused` (also off CUDA: interpreter)."""
    token = _MODE.set(mode)
    try:
        yield
    finally:
        _MODE.reset(token)


def wanted(x: Tensor) -> bool:
    """Whether kernels should run on this tensor at all; asked first because it is cheap."""
    mode = _MODE.get()
    return mode == "fused" or (mode == "auto" and x.is_cuda)


def run(neuron, x_seq: Tensor, norm, residual: Tensor | None) -> Tensor | None:
    """Spikes of `neuron(norm(x_seq) + residual)` from the kernels, or None: take the reference path.

    neuron: gives `kernel_form() -> MembraneForm | ParallelForm | AdaptiveForm | None`; norm: None or a module that may
    give `kernel_form() -> NormForm | None`. A norm that cannot be fused runs by itself before the neuron's kernel.
    Lengths that a neuron or a norm was not built for are left to its own code, which refuses them.
    """
    form: MembraneForm | ParallelForm | AdaptiveForm | None = neuron.kernel_form()
    if form is None or x_seq.dtype not in DTYPES or not _triton():
        _say_once(neuron, x_seq.dtype, form is None)
        return None
    if not form.fits(len(x_seq)):
        return None
    if isinstance(form, ParallelForm):
        from snnbench.kernels.parallel_ops import run as run_fused
    elif isinstance(form, AdaptiveForm):
        from snnbench.kernels.adaptive_ops import run as run_fused
    else:
        from snnbench.kernels.fused import run as run_fused

    norm_form: NormForm | None = None
    if norm is not None:
        make = getattr(norm, "kernel_form", None)
        norm_form = make() if make is not None and not hooked(norm) else None
        steps = None if norm_form is None else norm_form.steps
        takes_steps = isinstance(form, MembraneForm) and steps is not None and len(steps) == len(x_seq)
        if norm_form is None or not (steps is None or takes_steps):
            x_seq, norm_form = norm(x_seq), None
        elif norm_form.training and norm_form.batches is not None:
            norm_form.batches.add_(1)
    return run_fused(x_seq, residual, norm_form, form)


def step(
    form_of: Callable[[], MembraneForm | None], x_t: Tensor, v: Tensor, threshold: Tensor | None = None
) -> tuple[Tensor, Tensor] | None:
    """(spikes, next state) of one step `[N, *]` of a walk that cuts the state v from the graph, or None.

    form_of: gives the neuron's form; threshold: 0-d, in place of the form's.
    """
    states = active_states()
    if states is None or not states.detach or not (wanted(x_t) and _triton()) or x_t.dtype not in DTYPES:
        return None
    form = form_of()
    if form is None or form.learnt is not None or form.codes[0] >= COMPLEMENTARY:  # one state, constants alone
        return None
    from snnbench.kernels.step import run as run_step

    return run_step(x_t, v, threshold, form)


def renormalised(neuron, norm, x_seq: Tensor) -> Callable | None:
    """`step(x_t, (v, ratio)) -> (spikes, (v, ratio))` of `neuron(norm(x_t))`, both None at first, or None: run them by
    themselves. For steps that cut the state: a walk that says so, or a sequence without gradients.

    neuron: gives `step_form() -> MembraneForm | None`; norm: may give `renorm_form() -> RenormForm | None`, and then
    has `fold()`, which moves its running statistics before a batch's first step.
    """
    make, states = getattr(norm, "renorm_form", None), active_states()
    is_cut = states.detach if states is not None else not torch.is_grad_enabled()
    if make is None or not is_cut or hooked(norm) or not (wanted(x_seq) and _triton()) or x_seq.dtype not in DTYPES:
        return None
    form, norm_form = neuron.step_form(), make()
    from snnbench.kernels import renormalised_ops as kernels

    if form is None or norm_form is None or not kernels.fits(x_seq[0]):
        return None

    def step(x_t: Tensor, state: tuple) -> tuple[Tensor, tuple]:
        v, ratio = state
        if v is None and norm_form.training:
            norm.fold()
        spikes, *state = kernels.run(x_t, v, ratio, norm_form, form)
        return spikes, tuple(state)

    return step


def moments(x_t: Tensor) -> tuple[Tensor, Tensor] | None:
    """(biased variance, mean) `[C]` of `[N, C, *]` in fp32 from one pass of the kernel, or None: take PyTorch's."""
    if not (wanted(x_t) and _triton()) or x_t.dtype not in DTYPES:
        return None
    from snnbench.kernels.fused import moments as run_moments

    return run_moments(x_t)


def average_pool(x: Tensor, kernel: int) -> Tensor | None:
    """Mean of every window, `kernel` a side, of `[B, C, H, W]` or `[B, C, L]`, or None: take PyTorch's."""
    if not (wanted(x) and _triton()):
        return None
    from snnbench.kernels import pooling

    if x.ndim == 3:
        x, window = as_map(x), (1, kernel)
        return pooling.AveragePool.apply(x, window).squeeze(2) if pooling.fits(x, window) else None
    return pooling.AveragePool.apply(x, (kernel, kernel)) if pooling.fits(x, (kernel, kernel)) else None


def max_pool(x: Tensor, kernel: int) -> Tensor | None:
    """Largest of every kernel x kernel window of `[B, C, H, W]` from the kernel, or None: take PyTorch's."""
    if not (wanted(x) and _triton()):
        return None
    from snnbench.kernels import max_pooling, pooling

    window = (kernel, kernel)
    return max_pooling.MaxPool.apply(x, window) if pooling.fits(x, window) else None


def spike_attention(q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float) -> Tensor | None:
    """scale * Q (K^T V) per head of tokens `[T, N, C, L]` from the kernel, channels last, or None: take PyTorch's."""
    if not (wanted(q) and _triton()):
        return None
    from snnbench.kernels import attention

    tokens = [x.transpose(2, 3).flatten(0, 1) for x in (q, k, v)]
    if not attention.fits(*tokens, heads):
        return None
    return attention.SpikeAttention.apply(*tokens, heads, scale).unflatten(0, q.shape[:2]).transpose(2, 3)


def hooked(module: torch.nn.Module) -> bool:
    """Whether somebody watches what enters or leaves this module, so that it must really run."""
    return any((module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks))


@cache
def _triton() -> bool:
    try:
        import triton  # noqa: F401
    except ImportError:
        log.warning("Triton is not installed: neurons run as plain PyTorch (kernels=reference)")
        return False
    return True


_said: set[str] = set()


def _say_once(neuron, dtype: torch.dtype, unknown: bool) -> None:
    why = neuron.kernel_refusal() if unknown else f"dtype {dtype}"
    if why not in _said:
        _said.add(why)
        log.warning(f"no fused kernel for {why}: this layer runs as plain PyTorch")
