"""What a membrane neuron gives to its kernels: over a whole sequence (`MembraneForm`) or for one step (`walk_step`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from snnbench.kernels.common.form import Form, NormForm, Refusal
from snnbench.kernels.common.mode import DTYPES, ready
from snnbench.kernels.membrane.codes import TWO_STATES
from snnbench.temporal import active_states


@dataclass(frozen=True)
class ChargeForm:
    """How a neuron with one state charges.

    Args:
        kind: a number of `codes`, where the meaning of k is said too.
        k: the leak; a 0-d tensor where it is learnt.
    """

    kind: int
    k: float | Tensor = 0.0


@dataclass(frozen=True)
class MembraneForm(Form):
    """A membrane neuron in numbers.

    Args:
        constants: [k, v_th, v_reset, amplitude, p0, p1]; p0 and p1 are the surrogate's.
        codes: [dynamics, surrogate, soft, detach, strict]; the last three are 0 or 1: reset by subtraction, no
            gradient through the spike that resets, and fire at h > v_th.
        learnt: `[R, C]`, or `[R, 1]` where the channels share the numbers; gradients flow to them. R is 1 (k), or for
            GATED 5 + T: keep, clear, sink, drop, v_th and the input gains of the steps. None: nothing is learnt.
        longest: the longest sequence for which there are gains, or None: any length will do.
    """

    constants: list[float]
    codes: list[int]
    learnt: Tensor | None = None
    longest: int | None = None

    takes_steps = True

    def fits(self, time_steps: int) -> bool:
        return self.longest is None or time_steps <= self.longest

    def run(self, x_seq: Tensor, residual: Tensor | None, norm: NormForm | None) -> Tensor:
        from snnbench.kernels.membrane import ops

        return ops.run(x_seq, residual, norm, self)

    @property
    def walks(self) -> bool:
        """Whether the kernel for one step knows this neuron: it has one state and learns nothing."""
        return self.learnt is None and self.codes[0] not in TWO_STATES


def walk_step(
    form_of: Callable[[], MembraneForm | Refusal], x_t: Tensor, v: Tensor, threshold: Tensor | None = None
) -> tuple[Tensor, Tensor] | None:
    """(spikes, next state) of one step from the kernel, or None: the caller computes it.

    The kernel runs in walks that cut the state from the graph; back-propagation through time needs more than it gives.

    Args:
        form_of: gives the neuron's form; called only where a kernel may run, since it costs some microseconds.
        x_t: currents `[N, *]`.
        v: the state `[N, *]`, fp32.
        threshold: 0-d, in place of the form's v_th, or None.
    """
    if torch.compiler.is_compiling():  # which sees through the caller's own code, and not through this walk's context
        return None
    states = active_states()
    if states is None or not states.detach or not ready(x_t) or x_t.dtype not in DTYPES:
        return None
    form = form_of()
    if isinstance(form, Refusal) or not form.walks:
        return None
    from snnbench.kernels.membrane import step

    return step.run(x_t, v, threshold, form)
