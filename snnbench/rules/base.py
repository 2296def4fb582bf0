"""Learning rules: how one batch becomes gradients and optimiser steps."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Loss = tuple[Tensor, dict[str, Tensor]]
Outcome = tuple[Tensor, Tensor, dict[str, Tensor]]


class Rule:
    """Owns the order of forward, backward and optimiser step; knows neither the objective nor the trainer."""

    one_step_at_the_end = False  # one optimiser step a batch, after everything else: the rest may be a CUDA graph

    def prepare(self, model: nn.Module) -> None:
        """Called once after building; may set `synapse.mechanics`. Raises ConfigError if the model does not suit."""

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
