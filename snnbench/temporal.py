"""Modules with a time axis, and the context in which a learning rule runs them one time step at a time.

Letters of shapes in this package: T time steps, N samples of a batch, C channels, H height, W width, L tokens or
length, K classes, * any further axes. Time leads: `[T, N, C, *]`.

A temporal module is a function of a whole sequence: `forward(x_seq)` starts from the initial state and keeps no state
afterwards, so there is nothing to reset. Inside `with stepping(model) as step:` the same forward code runs one time
step at a time (its T axis has length 1), and the context keeps the state of every temporal module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

State = Any  # a tensor, or a tuple of tensors and numbers


class StepStates:
    """The states during one pass through time, keyed by the module (or mechanic) that owns them."""

    def __init__(self, detach: bool):
        self.detach = detach
        self._states: dict[int, State] = {}

    def walk(self, owner: object, x_seq: Tensor, initial: Callable, step: Callable) -> Tensor:
        """Apply `step(x_t, state)` to the only step of `x_seq` `[1, N, *]` and return its output `[1, N, *]`.

        The context keeps the new state, detached if the rule asks for it.
        """
        key, x_t = id(owner), x_seq.squeeze(0)  # the gradient of x_seq[0] would be copied, out of channels-last order
        state = self._states[key] if key in self._states else initial(x_t)
        y_t, state = step(x_t, state)
        self._states[key] = detached(state) if self.detach else state
        return y_t.unsqueeze(0)


_ACTIVE: ContextVar[StepStates | None] = ContextVar("snnbench_step_states", default=None)


def active_states() -> StepStates | None:
    """The states of the current pass through time, or None while whole sequences are run."""
    return _ACTIVE.get()


def detached(state: State) -> State:
    """The same state, detached from the autograd graph."""
    if isinstance(state, Tensor):
        return state.detach()
    if isinstance(state, tuple):
        return tuple(detached(part) for part in state)
    return state


@contextmanager
def stepping(model: nn.Module, *, detach: bool = False) -> Iterator[Callable[[Tensor], Tensor]]:
    """Run `model` step by step: `step(x_t)` takes `[N, *]` and returns the model's output `[N, *]` at this time step.

    `detach=True` detaches every state between steps, so that no gradient flows from t to t-1 (for online rules). All
    states are dropped at the end of the block.
    """
    states = StepStates(detach)

    def step(x_t: Tensor) -> Tensor:
        with _walking(states):
            return model(x_t.unsqueeze(0)).squeeze(0)

    yield step


@contextmanager
def _walking(states: StepStates) -> Iterator[None]:
    """Inside the block each temporal module runs one step and keeps its state in `states`."""
    token = _ACTIVE.set(states)
    try:
        yield
    finally:
        _ACTIVE.reset(token)


class Temporal(nn.Module):
    """A module whose output at t may depend on the inputs up to t.

    A subclass defines `step(x_t, state) -> (y_t, state)` and `initial_state(x_t)`, the state before the first step. It
    may override `sequence(x_seq)` with faster code that gives the same result as the loop over `step`.
    """

    def initial_state(self, x_t: Tensor) -> State:
        return None

    def step(self, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        raise NotImplementedError(f"{type(self).__name__} must define step(x_t, state)")

    def sequence(self, x_seq: Tensor) -> Tensor:
        """Run a whole sequence `[T, N, *] -> [T, N, *]` from the initial state."""
        state, outputs = self.initial_state(x_seq[0]), []
        for x_t in x_seq:
            y_t, state = self.step(x_t, state)
            outputs.append(y_t)
        return torch.stack(outputs)

    def forward(self, x_seq: Tensor) -> Tensor:
        states = active_states()
        if states is None:
            return self.sequence(x_seq)
        return states.walk(self, x_seq, self.initial_state, self.step)


class Recurrent(Temporal):
    """A module whose children use outputs of earlier steps: a reservoir, feedback, a recurrent layer.

    It runs its children step by step, so that the input of a child may depend on the child's own earlier output:

        def initial_state(self, x_t):                      # what children read at the first step
            return torch.zeros_like(x_t)

        def step(self, x_t, spikes):                       # x_t [N, *], the state -> (y_t [N, *], the new state)
            current = x_t + self.run(self.recurrent, spikes)
            spikes = self.run(self.neuron, current)
            return spikes, spikes

    `step` runs a child with `self.run`. A child with a state runs once per step. For a whole sequence the states of the
    children start from their initial values and are dropped at its end. Inside `stepping` the context keeps them, and
    detaches them if the rule asks for it. Put computations that do not depend on earlier steps, such as the synapse
    from the layer below, outside of this module: there they run over all steps at once.

    A child gets one step at a time. Norms use the statistics of that step, and neurons run as plain PyTorch. Children
    that need the whole sequence raise an error (PSN) or must not be used (an attention over time).
    """

    def sequence(self, x_seq: Tensor) -> Tensor:
        with _walking(StepStates(detach=False)):
            return super().sequence(x_seq)

    def run(self, child: nn.Module, *inputs: Tensor) -> Tensor:
        """Run one step of `child`, a module of sequences `[1, N, *]`, and return its output `[N, *]`.

        Raises:
            RuntimeError: `step` was called directly, so nothing keeps the states of the children.
        """
        if active_states() is None:
            raise RuntimeError(f"{type(self).__name__}.step runs inside a walk: call the module, or open `stepping`.")
        return child(*(x_t.unsqueeze(0) for x_t in inputs)).squeeze(0)


def full_precision(x: Tensor) -> Tensor:
    """`x` in at least fp32. Half types are cast up (bf16 loses digits over T); fp32 and double are unchanged."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def is_static(x_seq: Tensor) -> bool:
    """Whether the sequence is one step, repeated T times by `expand`. The direct encoder makes such sequences."""
    return x_seq.shape[0] > 1 and x_seq.stride(0) == 0


def shown(x_t: Tensor, time_steps: int) -> Tensor:
    """Repeat `x_t` `[N, *]` T times without a copy, `[T, N, *]`. The result keeps `x_t` in its attribute `shown`."""
    x_seq = x_t.unsqueeze(0).expand(time_steps, *x_t.shape)
    x_seq.shown = x_t
    return x_seq


def step_of(x_seq: Tensor) -> Tensor:
    """The one step `[N, *]` that a static sequence repeats.

    This is the tensor that `shown` kept, if there is one. The gradient of `x_seq[0]` would be a sequence of T steps,
    zero in all but one of them, which autograd would then have to sum over time.
    """
    step = getattr(x_seq, "shown", None)
    return x_seq[0] if step is None else step


def over_time(function: Callable[[Tensor], Tensor], x_seq: Tensor) -> Tensor:
    """Apply a memoryless function to every step at once: `[T, N, *]` is viewed as `[T*N, *]`.

    For a static sequence the function runs once and its result is expanded, which costs one pass instead of T.
    """
    if is_static(x_seq):
        return shown(function(step_of(x_seq)), x_seq.shape[0])
    y = function(x_seq.flatten(0, 1))
    return y.unflatten(0, x_seq.shape[:2])


def as_map(x: Tensor) -> Tensor:
    """`[B, C, L]` seen as the map `[B, C, 1, L]`: PyTorch knows channels-last for maps only, and its CUDA kernels run
    1-d convolutions and norms as maps anyway, in channels-first order."""
    return x.unsqueeze(2)


def rows_of(x_seq: Tensor) -> tuple[Tensor, tuple[int, ...], list[int]]:
    """`[T, N, *]` as `[T, N * ...]` in the order of memory: a view for every dense layout, also channels-last.

    Returns the rows and what `rows_back` needs: the permuted shape and the permutation that undoes it.
    """
    order = [0, *sorted(range(1, x_seq.ndim), key=x_seq.stride, reverse=True)]
    permuted = x_seq.permute(order)
    return permuted.flatten(1), tuple(permuted.shape), [order.index(axis) for axis in range(x_seq.ndim)]


def rows_back(rows: Tensor, shape: tuple[int, ...], undo: list[int]) -> Tensor:
    """The inverse of `rows_of`, a view."""
    return rows.reshape(shape).permute(undo)


def time_mean(x_seq: Tensor) -> Tensor:
    """Mean over time `[T, N, *] -> [N, *]` in at least fp32, in the layout of a step.

    It reads the sequence once and needs no pass backward. `full_precision(x_seq).mean(0)` would write the sequence in
    fp32, return the mean in contiguous layout, and write T copies of its gradient.
    """
    return _TimeMean.apply(x_seq)


class _TimeMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x_seq: Tensor) -> Tensor:
        ctx.time_steps, ctx.dtype = x_seq.shape[0], x_seq.dtype
        rows, shape, undo = rows_of(x_seq)
        mean = rows.mean(0, keepdim=True, dtype=torch.promote_types(x_seq.dtype, torch.float32))
        return rows_back(mean, (1, *shape[1:]), undo)[0]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        step = (grad / ctx.time_steps).to(ctx.dtype)
        return step.unsqueeze(0).expand(ctx.time_steps, *step.shape)
