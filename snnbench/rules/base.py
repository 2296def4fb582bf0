"""Learning rules: how one batch becomes gradients and optimiser steps."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from snnbench.objectives.base import Loss

Outcome = tuple[Tensor, Tensor, dict[str, Tensor]]


class Rule:
    """Owns the order of forward, backward and optimiser step; knows neither the objective nor the trainer."""

    one_step_at_the_end = False  # one optimiser step a batch, after everything else: the rest may be a CUDA graph

    previewed: int | None = 0  # samples of an epoch's first batch that `before_epoch` sees; None: all, 0: no call

    def prepare(self, model: nn.Module) -> None:
        """Called once after building; may set `synapse.mechanics`. Raises ConfigError if the model does not suit."""

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

    def train_batch(
        self,
        model: nn.Module,
        x_seq: Tensor,
        loss_of: Callable[[Tensor], Loss],
        backward: Callable[[Tensor], None],
        optimizer_step: Callable[[], None],
        zero_grad: Callable[[], None],
    ) -> Outcome:
        """Train on one batch.

        Args:
            model: `[T', N, C, H, W] -> logits [T', N, K]`, whole sequences or, inside `stepping`, single steps.
            x_seq: the batch, `[T, N, C, H, W]`.
            loss_of: logits `[T', N, K]` -> (scalar loss, its named parts); closes over the target.
            backward: called instead of `loss.backward()`.
            optimizer_step, zero_grad: called when the rule wants them.

        Returns:
            Logits `[T, N, K]`, total loss and parts, all detached.
        """
        raise NotImplementedError(f"{type(self).__name__} must define train_batch")


def detached_outcome(logits: Tensor, loss: Tensor, parts: dict[str, Tensor]) -> Outcome:
    """The same three, cut from the graph."""
    return logits.detach(), loss.detach(), {name: part.detach() for name, part in parts.items()}
