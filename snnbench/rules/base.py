"""Learning rules: how one batch becomes gradients and optimiser steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from snnbench.objectives.base import Loss

Outcome = tuple[Tensor, Tensor, dict[str, Tensor]]


def nothing() -> None:
    """Does nothing: stands for the optimiser where gradients alone are wanted."""


@dataclass(frozen=True)
class Batch:
    """One batch as a rule gets it. With the default calls, a rule makes gradients and steps no optimiser.

    Args:
        x_seq: The encoded input `[T, N, C, H, W]`.
        target: The labels `[N]`, or probabilities `[N, K]` after mixing.
        loss_of: Maps logits `[T', N, K]` to a scalar loss and its named parts. It knows the target, and what a teacher
            made of this batch.
        backward: Is called with the loss in place of `loss.backward()`.
        optimizer_step: Steps the optimiser, which clips gradients first if the run wants that.
        zero_grad: Drops all gradients.
        index: The samples' numbers `[N]` in the training set, or None if the loader does not tell them.
    """

    x_seq: Tensor
    target: Tensor
    loss_of: Callable[[Tensor], Loss]
    backward: Callable[[Tensor], None] = Tensor.backward
    optimizer_step: Callable[[], None] = nothing
    zero_grad: Callable[[], None] = nothing
    index: Tensor | None = None


class Rule:
    """Owns the order of forward, backward and optimiser step; knows neither the objective nor the trainer.

    A rule whose steps several processes cannot share says so with the trait "one_process": several are then refused
    before anything is written. Every other rule makes its gradients by the batch's `backward`, which reduces them.
    """

    one_step_at_the_end = False  # one optimiser step a batch, after everything else: the rest may be a CUDA graph

    begins_with: int | None = 0  # samples of the very first batch that `begin` sees; None: all, 0: no call
    previewed: int | None = 0  # samples of an epoch's first batch that `before_epoch` sees; None: all, 0: no call

    def prepare(self, model: nn.Module) -> None:
        """Called once after building; may set `mechanics`. Raises ConfigError if the model does not suit."""

    def begin(self, model: nn.Module, x_seq: Tensor, loss_of: Callable[[Tensor], Loss]) -> None:
        """Give the network a start that depends on data, such as weights scaled layer by layer or calibrated gains.

        Called once a run, before its first step and before `before_epoch`; a run that resumes has the result in its
        checkpoint. It may change parameters and buffers, and must leave gradients and modes as they were. Each process
        is called with its own samples, and then all take over the parameters and buffers of process 0.

        Args:
            model: The network in training mode.
            x_seq: The first `begins_with` samples of the first batch, augmented and encoded, `[T, N, C, H, W]`. What is
                drawn at random for them and in here is drawn again later.
            loss_of: Maps logits `[T', N, K]` to a scalar loss and its named parts.
        """

    def before_epoch(self, model: nn.Module, x_seq: Tensor, loss_of: Callable[[Tensor], Loss]) -> bool:
        """Called before the first batch of each epoch is trained on, with its first `previewed` samples.

        Must leave parameters, their gradients, modes and statistics as they were; what the encoder and the network draw
        at random here is put back by the caller. What it decides belongs into buffers of the model: a run that resumes
        finds them again. True: it changed what a captured CUDA graph holds as a number.
        """
        return False

    def reported(self, model: nn.Module) -> dict[str, float]:
        """What the rule adds to an epoch's row of metrics.csv; the same names every epoch."""
        return {}

    def train_batch(self, model: nn.Module, batch: Batch) -> Outcome:
        """Train on one batch.

        Args:
            model: Maps `[T', N, C, H, W]` to logits `[T', N, K]`: whole sequences or, inside `stepping`, single steps.
            batch: The input, its loss, and the calls that the rule makes in its own order.

        Returns:
            Logits `[T, N, K]`, total loss and its parts, all detached.
        """
        raise NotImplementedError(f"{type(self).__name__} must define train_batch")


def detached_outcome(logits: Tensor, loss: Tensor, parts: dict[str, Tensor]) -> Outcome:
    """The same three, cut from the graph."""
    return logits.detach(), loss.detach(), {name: part.detach() for name, part in parts.items()}
