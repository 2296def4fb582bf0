"""Learning rules: how one batch becomes gradients and optimiser steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from snnbench.objectives.base import Loss

Outcome = tuple[Tensor, Tensor, dict[str, Tensor]]


def nothing() -> None:
    """Does nothing; it replaces the optimiser where only gradients are wanted."""


@dataclass(frozen=True)
class Batch:
    """One batch and the functions that a rule calls on it. By default, gradients are computed and no optimiser steps.

    Args:
        x_seq: The encoded input `[T, N, C, H, W]`.
        target: The labels `[N]`, or probabilities `[N, K]` after mixing.
        loss_of: Maps logits `[T', N, K]` to a scalar loss and its named parts, using the target and, in distillation,
            the teacher's output for this batch.
        backward: A rule calls it with the loss, in place of `loss.backward()`.
        optimizer_step: Averages the gradients over the processes, clips them if the run is configured so, and steps the
            optimiser.
        zero_grad: Removes all gradients.
        index: The positions `[N]` of the samples in the training set, or None if the loader does not give them.
    """

    x_seq: Tensor
    target: Tensor
    loss_of: Callable[[Tensor], Loss]
    backward: Callable[[Tensor], None] = Tensor.backward
    optimizer_step: Callable[[], None] = nothing
    zero_grad: Callable[[], None] = nothing
    index: Tensor | None = None


class Rule:
    """Decides the order of forward pass, backward pass and optimiser step for a batch.

    A rule that cannot train in several processes has the trait "one_process"; such a run is then refused before
    anything is written. Every other rule leaves its gradients in `.grad` of the parameters before it calls the batch's
    `optimizer_step`, which averages them over the processes.
    """

    one_step_at_the_end = False  # True: the optimiser steps once, last in a batch; all before may be a CUDA graph

    begins_with: int | None = 0  # how many samples of the run's first batch `begin` gets; None: all, 0: no call
    previewed: int | None = 0  # how many samples of an epoch's first batch `before_epoch` gets; None: all, 0: no call

    def prepare(self, model: nn.Module) -> None:
        """Called once after the model is built; may set `mechanics`. Raises ConfigError if the rule cannot train it."""

    def begin(self, model: nn.Module, x_seq: Tensor, loss_of: Callable[[Tensor], Loss]) -> None:
        """Initialise the network from data, for example by scaling weights layer by layer or calibrating gains.

        Called once in a run, before its first step and before `before_epoch`; a resumed run finds the result in its
        checkpoint. It may change parameters and buffers, but must restore gradients and modes. Each process calls it
        with its own samples; then all processes copy the parameters and buffers of process 0.

        Args:
            model: The network in training mode.
            x_seq: The first `begins_with` samples of the first batch, augmented and encoded, `[T, N, C, H, W]`. The
                random state is restored afterwards, so training draws the same random numbers again.
            loss_of: Maps logits `[T', N, K]` to a scalar loss and its named parts.
        """

    def before_epoch(self, model: nn.Module, x_seq: Tensor, loss_of: Callable[[Tensor], Loss]) -> bool:
        """Called before training on the first batch of each epoch, with the first `previewed` samples of that batch.

        It must restore parameters, gradients, modes and statistics; the caller restores the random state. It should
        store its decisions in buffers of the model, where a resumed run finds them.

        Returns:
            True if it changed a Python number that a captured CUDA graph contains; the graph is then captured again.
        """
        return False

    def reported(self, model: nn.Module) -> dict[str, float]:
        """The columns that the rule adds to an epoch's row of metrics.csv, with the same names in every epoch."""
        return {}

    def train_batch(self, model: nn.Module, batch: Batch) -> Outcome:
        """Train on one batch.

        Args:
            model: Maps `[T', N, C, H, W]` to logits `[T', N, K]`; T' is T for whole sequences and 1 inside `stepping`.
            batch: The input, its loss, and the functions that the rule calls in its own order.

        Returns:
            Logits `[T, N, K]`, total loss and its parts, all detached.
        """
        raise NotImplementedError(f"{type(self).__name__} must define train_batch")


def detached_outcome(logits: Tensor, loss: Tensor, parts: dict[str, Tensor]) -> Outcome:
    """The same three values, detached."""
    return logits.detach(), loss.detach(), {name: part.detach() for name, part in parts.items()}
