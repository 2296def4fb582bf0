"""The training loop of online rules: each time step has its own loss and backward pass, so memory is constant in T.

Several processes average their gradients when the optimiser steps: once a batch where the gradients of all steps are
added up, and at every step that the rule learns from where the optimiser steps there.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from snnbench.rules.base import Batch, Outcome, detached_outcome
from snnbench.temporal import stepping


def always(t: int) -> bool:
    """True: the rule learns from every step."""
    return True


def walk_batch(
    model: nn.Module, batch: Batch, *, each_step: bool = False, learn: Callable[[int], bool] = always
) -> Outcome:
    """Train `model` on the batch step by step; the loss of step t is `loss_of` its logits, divided by T.

    States are detached after every step, so no gradient reaches an earlier step.

    Args:
        model: Maps `[1, N, C, H, W]` to logits `[1, N, K]`, one step at a time.
        batch: The batch to train on.
        each_step: True steps the optimiser after every time step that the rule learns from; False adds up the gradients
            of all steps and steps the optimiser once at the end.
        learn: Returns for t in [0, T) whether the rule learns from step t. The other steps run without autograd and
            give no gradient, but their losses are included in the returned loss.

    Returns:
        Logits `[T, N, K]`, the sum of the steps' losses over T, and the mean of their parts; all detached.
    """
    time_steps, outcomes = len(batch.x_seq), []
    with stepping(model, detach=True) as step:
        for t, x_t in enumerate(batch.x_seq):
            learns = learn(t)
            if each_step or t == 0:
                batch.zero_grad()
            with torch.set_grad_enabled(learns):
                logits = step(x_t)
                loss, parts = batch.loss_of(logits.unsqueeze(0))
                loss = loss / time_steps
            if learns:
                batch.backward(loss)
            if learns and each_step:
                batch.optimizer_step()
            outcomes.append(detached_outcome(logits, loss, parts))
    if not each_step:
        batch.optimizer_step()
    logits, losses, parts = zip(*outcomes)
    mean_parts = {name: sum(p[name] for p in parts) / time_steps for name in parts[0]}
    return torch.stack(logits), torch.stack(losses).sum(), mean_parts
