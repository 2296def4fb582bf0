"""The `step` of a neuron without a hand-written kernel, compiled by `torch.compile` over a whole sequence.

The compiled function takes a sequence of currents, adds the residual and calls `step` for each time step. AOTAutograd
differentiates it, and inductor makes one kernel of all steps for each direction, so that the states between steps stay
in registers. The backward computes the states again from the currents. The norm runs by itself before: its sums over
the whole sequence would split the kernel and write the states to memory.

A neuron with a `sequence` of its own keeps it: that code already works on all time steps at once. A class that cannot
be compiled runs as plain PyTorch; the log says so once, with the reason. A shape is compiled once for all layers that
share it. After `MOST_KINDS` kinds of calls of one class, further kinds run as plain PyTorch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from types import FunctionType, MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from snnbench.kernels.common.form import Refusal
from snnbench.kernels.common.layout import dense
from snnbench.kernels.common.mode import DTYPES, log
from snnbench.temporal import Temporal, is_static, step_of

_BACKENDS: ContextVar[Mapping[str, str]] = ContextVar(
    "snnbench_compilers", default=MappingProxyType({"cuda": "inductor"})
)
# The number of time steps in one compiled function. Longer sequences run in chunks, so that compiling takes seconds.
CHUNK = 16
# The most kinds of calls (shape, dtype, training or not) that are compiled for one class of neurons.
MOST_KINDS = 64
# Rounding as in PyTorch: no contraction of a product and a sum, half types rounded where PyTorch rounds them; and the
# random numbers that PyTorch would draw.
OPTIONS = {"emulate_precision_casts": True, "fallback_random": True}

_kinds: dict[type, set[tuple]] = {}
_refused: dict[type, Refusal] = {}


@contextmanager
def backends(**backends: str) -> Iterator[None]:
    """Use these backends of `torch.compile` inside, by type of device, e.g. `cpu="aot_eager"`.

    A device that is not named compiles nothing.
    """
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
    """The compiled walk of this neuron over such a sequence, or why compiling failed, or None where it is not tried."""
    cls = type(neuron)
    if x_seq.device.type not in _BACKENDS.get() or x_seq.dtype not in DTYPES or torch.compiler.is_compiling():
        return None
    if cls.sequence is not Temporal.sequence or getattr(neuron, "watcher", None) is not None:
        return None  # its own sequence() runs as it is; a watcher must see each step in Python
    if cls in _refused:
        return _refused[cls]
    kind, kinds = _kind(neuron, x_seq), _kinds.setdefault(cls, set())
    if kind not in kinds and len(kinds) >= MOST_KINDS:
        return Refusal(f"it has been compiled for {MOST_KINDS} kinds of calls, which is the most")
    kinds.add(kind)
    return CompiledWalk(neuron)


@dataclass(frozen=True)
class CompiledWalk:
    """A neuron's Python over sequences, compiled."""

    neuron: nn.Module

    def run(self, x_seq: Tensor, residual: Tensor | None) -> Tensor:
        """Spikes `[T, N, C, *]` of the currents x_seq plus the residual, in the memory layout of x_seq.

        Where compiling fails, the very same function runs as plain PyTorch.
        """
        time_steps = len(x_seq)
        x = step_of(x_seq).unsqueeze(0) if is_static(x_seq) else x_seq
        x = dense(x)
        axes = _axes(x)
        rows = x.permute(axes.order)
        beside = None if residual is None else residual.permute(axes.order).contiguous()
        if time_steps <= CHUNK:
            spikes, _ = self._call(rows, beside, None, axes, time_steps, True, False)
            return spikes.permute(axes.undo)
        state, pieces = None, []
        for first in range(0, time_steps, CHUNK):
            piece = slice(first, first + CHUNK)
            some = rows if len(rows) < time_steps else rows[piece]
            count = min(CHUNK, time_steps - first)
            here = None if beside is None else beside[piece]
            spikes, state = self._call(some, here, state, axes, count, first == 0, True)
            pieces.append(spikes)
        return torch.cat(pieces).permute(axes.undo)

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
    state: Any,
    axes: _Axes,
    time_steps: int,
    begins: bool,
    goes_on: bool,
) -> tuple[Tensor, Any]:
    """Spikes of `time_steps` steps in the order of memory, and with `goes_on` the state after them.

    `_compiled` compiles this function for each class of neurons separately. The currents are split by `unbind`, whose
    gradient is one stack; the gradient of an index would be a whole sequence for each step.
    """
    order, undo = ([axis - 1 for axis in some[1:]] for some in (axes.order, axes.undo))
    steps, spikes = rows.unbind(0), []
    steps = steps if len(steps) == time_steps else steps * time_steps
    if residual is not None:
        steps = [row + beside for row, beside in zip(steps, residual.unbind(0))]
    for t, row in enumerate(steps):
        x_t = row.permute(undo)
        if begins and t == 0:
            state = neuron.initial_state(x_t)
        spike, state = neuron.step(x_t, state)
        spikes.append(spike.permute(order))
    return torch.stack(spikes), state if goes_on else None


def _axes(x_seq: Tensor) -> _Axes:
    order = (0, *sorted(range(1, x_seq.ndim), key=x_seq.stride, reverse=True))
    return _Axes(order, tuple(order.index(axis) for axis in range(x_seq.ndim)))


def _kind(neuron: nn.Module, x_seq: Tensor) -> tuple:
    """The properties of a call for which `torch.compile` makes a function of its own."""
    device = x_seq.device.type
    autocast = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    modes = neuron.training, torch.is_grad_enabled(), torch.is_inference_mode_enabled(), x_seq.requires_grad
    return tuple(x_seq.shape), x_seq.stride(), x_seq.dtype, autocast, modes


@cache
def _compiled(cls: type, backend: str) -> Callable[..., tuple[Tensor, Any]]:
    """`_walk` compiled for one class. Each class gets its own code object, by which torch counts recompilations."""
    walk = FunctionType(_walk.__code__.replace(co_name=f"walk_{cls.__name__}"), globals(), _walk.__name__)
    options = OPTIONS if backend == "inductor" else None
    warnings.filterwarnings("ignore", "TensorFloat32 tensor cores")  # inductor's advice on products of matrices
    return torch.compile(walk, backend=backend, fullgraph=True, dynamic=False, options=options)


@contextmanager
def _settings() -> Iterator[None]:
    """How `torch.compile` works here; it may compile anew in any call.

    The backward computes the states again. It is compiled together with the forward, so that an error in it is found
    here. Its inputs stay in memory, so that a caller may go back twice, as through other layers. No pool of compiling
    processes is started: each job of a grid would start one, for two small kernels at a time.
    """
    from torch._dynamo import config as tracing
    from torch._functorch import config as differentiation
    from torch._inductor import config as inductor

    with (
        tracing.patch(recompile_limit=2 * MOST_KINDS),
        differentiation.patch(
            aggressive_recomputation=True, force_non_lazy_backward_lowering=True, donated_buffer=False
        ),
        inductor.patch(compile_threads=1),
    ):
        yield


def _sentence(error: Exception) -> str:
    """The first line of what a compiler says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200] if lines else ''}".rstrip(": ")
