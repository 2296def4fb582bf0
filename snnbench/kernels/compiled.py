"""A neuron that no hand-written kernel knows: its own Python, compiled by `torch.compile`, in place of a walk.

The function that is compiled takes a whole sequence: norm, residual, then `step` after `step` (or the neuron's own
`sequence`). AOTAutograd differentiates it and inductor makes one kernel of all steps for each direction, so that the
states between steps stay in registers. The backward computes them again from the currents.

A neuron of a class that cannot be compiled runs as plain PyTorch, said once with the reason. A shape is compiled once
for all layers that share it; after `MOST_KINDS` kinds of calls of a class, further ones run as plain PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from types import FunctionType, MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from snnbench.kernels.common.form import Form, NormForm, Refusal
from snnbench.kernels.common.layout import dense, layout_of
from snnbench.kernels.common.mode import DTYPES, log
from snnbench.temporal import Temporal, is_static, step_of

_BACKENDS: ContextVar[Mapping[str, str]] = ContextVar(
    "snnbench_compilers", default=MappingProxyType({"cuda": "inductor"})
)
CHUNK = 16  # steps that are compiled as one: what is longer is walked in pieces, so that compiling takes seconds
MOST_KINDS = 32  # of calls (shapes, dtypes, training or not) that are compiled for a class of neurons
# Rounding as in PyTorch: no contraction of a product and a sum, half types rounded where PyTorch rounds them; and the
# random numbers that PyTorch would draw.
OPTIONS = {"emulate_precision_casts": True, "fallback_random": True}

_kinds: dict[type, set[tuple]] = {}
_refused: dict[type, Refusal] = {}


@contextmanager
def backends(**backends: str) -> Iterator[None]:
    """Inside, `torch.compile` has these backends by type of device, `cpu="aot_eager"`; none where none is named."""
    token = _BACKENDS.set(backends)
    try:
        yield
    finally:
        _BACKENDS.reset(token)


@dataclass(frozen=True)
class _Axes:
    """The order of a step's axes in memory: `order` makes rows of `[T, N, C, *]`, `undo` turns them back."""

    order: tuple[int, ...]
    undo: tuple[int, ...]


def walk_of(neuron: nn.Module, x_seq: Tensor) -> CompiledWalk | Refusal | None:
    """The compiled walk of this neuron over such a sequence, why compiling it failed, or None where it is not tried."""
    cls = type(neuron)
    if x_seq.device.type not in _BACKENDS.get() or x_seq.dtype not in DTYPES or torch.compiler.is_compiling():
        return None
    if getattr(neuron, "watcher", None) is not None or (len(x_seq) > CHUNK and not _walks(cls)):
        return None  # the watcher is Python; whole sequences of any length are what an own sequence() is written for
    if cls in _refused:
        return _refused[cls]
    kind, kinds = _kind(neuron, x_seq), _kinds.setdefault(cls, set())
    if kind not in kinds and len(kinds) >= MOST_KINDS:
        return Refusal(f"it has been compiled for {MOST_KINDS} kinds of calls, which is the most")
    kinds.add(kind)
    return CompiledWalk(neuron)


@dataclass(frozen=True)
class CompiledWalk(Form):
    """A neuron's Python, compiled. It takes in norms as the kernels do, where the sequence is one chunk."""

    neuron: nn.Module

    takes_steps = True

    def run(self, x_seq: Tensor, residual: Tensor | None, norm: NormForm | None) -> Tensor:
        """See `Form.run`. Where compiling fails, the very same function runs as plain PyTorch."""
        static = is_static(x_seq)
        x = step_of(x_seq).unsqueeze(0) if static else x_seq
        if not layout_of(x, False):
            x = dense(x)
        axes = _axes(x)
        rows = x.permute(axes.order)
        residual = None if residual is None else residual.permute(axes.order).contiguous()
        if len(x_seq) <= CHUNK or not _walks(type(self.neuron)):
            spikes, _ = self._call(rows, residual, norm, None, axes, len(x_seq), True, False)
            return spikes.permute(axes.undo)
        return self._in_chunks(rows, residual, norm, axes, len(x_seq)).permute(axes.undo)

    def _in_chunks(self, rows, residual, norm, axes: _Axes, time_steps: int) -> Tensor:
        """Spikes in the order of memory; the states are handed from chunk to chunk."""
        if norm is not None:
            rows, norm = _normed(rows.permute(axes.undo), norm).permute(axes.order), None
        if len(rows) == 1:
            rows = rows.expand(time_steps, *rows.shape[1:])
        state, spikes = None, []
        for first in range(0, time_steps, CHUNK):
            piece = slice(first, min(first + CHUNK, time_steps))
            beside = None if residual is None else residual[piece]
            count = piece.stop - piece.start
            found, state = self._call(rows[piece], beside, None, state, axes, count, first == 0, True)
            spikes.append(found)
        return torch.cat(spikes)

    def _call(self, *arguments) -> tuple[Tensor, Any]:
        cls, failure = type(self.neuron), None
        if cls not in _refused:
            try:
                with _settings():
                    return _compiled(cls, _BACKENDS.get()[arguments[0].device.type])(self.neuron, *arguments)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # a compiler may fail in any way
                failure = error
        found = _walk(self.neuron, *arguments)  # raises what is wrong with the neuron itself
        if failure is not None:
            _refused[cls] = Refusal(f"torch.compile refuses it ({_sentence(failure)})")
            log.warning(f"{cls.__name__} runs as plain PyTorch, since {_refused[cls].why}")
        return found


def _walk(
    neuron: nn.Module,
    rows: Tensor,
    residual: Tensor | None,
    norm: NormForm | None,
    state: Any,
    axes: _Axes,
    time_steps: int,
    begins: bool,
    goes_on: bool,
) -> tuple[Tensor, Any]:
    """Spikes of `time_steps` steps in the order of memory, and the state after them where it goes on.

    This is what is compiled, for each class of neurons by itself (`_compiled`).
    """
    current = rows.permute(axes.undo)
    if norm is not None:
        current = _normed(current, norm)
    if len(current) < time_steps:
        current = current.expand(time_steps, *current.shape[1:])
    if residual is not None:
        current = current + residual.permute(axes.undo)
    if not _walks(type(neuron)):
        return neuron.sequence(current).permute(axes.order).contiguous(), None
    if begins:
        state = neuron.initial_state(current[0])
    order, spikes = [axis - 1 for axis in axes.order[1:]], []
    for t in range(time_steps):
        spike, state = neuron.step(current[t], state)
        spikes.append(spike.permute(order))
    return torch.stack(spikes), state if goes_on else None


def _normed(x_seq: Tensor, norm: NormForm) -> Tensor:
    """Batch normalisation over (T, N, space) of `[T or 1, N, C, *]`, the factors of TEBN's steps included."""
    y = torch.nn.functional.batch_norm(
        x_seq.flatten(0, 1), norm.running_mean, norm.running_var, norm.gain, norm.bias, norm.training, norm.momentum,
        norm.eps,
    )  # fmt: skip
    y_seq = y.unflatten(0, x_seq.shape[:2])
    return y_seq if norm.steps is None else y_seq * norm.steps.to(y.dtype).view(-1, *[1] * (y_seq.ndim - 1))


def _walks(cls: type) -> bool:
    """Whether sequences of this neuron are walked step by step; else it has a `sequence` of its own."""
    return cls.sequence is Temporal.sequence


def _axes(x_seq: Tensor) -> _Axes:
    order = (0, *sorted(range(1, x_seq.ndim), key=x_seq.stride, reverse=True))
    return _Axes(order, tuple(order.index(axis) for axis in range(x_seq.ndim)))


def _kind(neuron: nn.Module, x_seq: Tensor) -> tuple:
    """What a compiled function is made for, as far as it shows from outside."""
    device = x_seq.device.type
    autocast = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    modes = neuron.training, torch.is_grad_enabled(), torch.is_inference_mode_enabled(), x_seq.requires_grad
    return tuple(x_seq.shape), x_seq.stride(), x_seq.dtype, autocast, modes


@cache
def _compiled(cls: type, backend: str) -> Callable[..., tuple[Tensor, Any]]:
    """`_walk` compiled for one class: a code object of its own, since `torch.compile` counts recompilations by it."""
    walk = FunctionType(_walk.__code__.replace(co_name=f"walk_{cls.__name__}"), globals(), _walk.__name__)
    options = OPTIONS if backend == "inductor" else None
    return torch.compile(walk, backend=backend, fullgraph=True, dynamic=False, options=options)


@contextmanager
def _settings() -> Iterator[None]:
    """States are computed again in the backward, which is compiled with the forward; see `MOST_KINDS`."""
    from torch._dynamo import config as tracing
    from torch._functorch import config as differentiation

    once = tracing.patch(recompile_limit=2 * MOST_KINDS)
    with once, differentiation.patch(aggressive_recomputation=True, force_non_lazy_backward_lowering=True):
        yield


def _sentence(error: Exception) -> str:
    """The first line of what a compiler says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200] if lines else ''}".rstrip(": ")
