"""What OSR's norm gives to its kernels, and the step of norm and neuron together that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from snnbench.kernels.common.form import Form, Refusal
from snnbench.kernels.common.mode import DTYPES, hooked, ready
from snnbench.temporal import active_states

MOST_CHANNELS = 4096  # one program folds them all


@dataclass(frozen=True)
class RenormForm:
    """OSR's norm of one step in numbers.

    Args:
        gain, bias, running_mean, running_var: `[C]` each.
        pending: where a training step's statistics are added: sums of mean and mean square `[C]`, and their number 0-d.
        training: k is bounded, and the step's statistics are collected.
        eps: what is added to the variance.
        bound: largest k, and 1/bound the smallest.
        clip: bound k channel by channel; else the whole layer uses the step's own statistics where a k is beyond.
    """

    gain: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    pending: tuple[Tensor, Tensor, Tensor]
    training: bool
    eps: float
    bound: float
    clip: bool

    def fits(self, x_t: Tensor) -> bool:
        """Whether the kernels know `[N, C, *]`: one program folds all channels, and a variance needs two values."""
        return x_t.shape[1] <= MOST_CHANNELS and x_t.numel() > x_t.shape[1]

    def run(self, x_t: Tensor, v: Tensor | None, ratio: Tensor | None, neuron: Form):
        """(spikes, next state, ratio) of one step; see ops.run."""
        from snnbench.kernels.renormalised import ops

        return ops.run(x_t, v, ratio, self, neuron)


def renormalised(neuron, norm, x_seq: Tensor) -> Callable | None:
    """`step(x_t, (v, ratio)) -> (spikes, (v, ratio))` of `neuron(norm(x_t))`, or None: the caller runs both in turn.

    v and ratio are None at the first step. The kernels serve steps whose state is cut from the graph: a walk that says
    so, or a sequence without gradients.

    Args:
        neuron: has `step_form() -> MembraneForm | Refusal`.
        norm: may have `renorm_form() -> RenormForm | Refusal`, and then has `fold()`, which moves its running
            statistics before a batch's first step.
        x_seq: currents `[T, N, C, *]`.
    """
    make, states = getattr(norm, "renorm_form", None), active_states()
    is_cut = states.detach if states is not None else not torch.is_grad_enabled()
    if make is None or not is_cut or hooked(norm) or not ready(x_seq) or x_seq.dtype not in DTYPES:
        return None
    form, norm_form = neuron.step_form(), make()
    if isinstance(form, Refusal) or isinstance(norm_form, Refusal) or not norm_form.fits(x_seq[0]):
        return None

    def step(x_t: Tensor, state: tuple) -> tuple[Tensor, tuple]:
        v, ratio = state
        if v is None and norm_form.training:
            norm.fold()
        spikes, *state = norm_form.run(x_t, v, ratio, form)
        return spikes, tuple(state)

    return step
