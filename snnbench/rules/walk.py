"""The walk of the online rules: each time step has its own loss and its own backward pass, so memory is constant in T.

Under DistributedDataParallel every step's backward reduces gradients; with one optimiser step a batch only the last
would need to.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from snnbench.rules.base import Batch, Outcome, detached_outcome
from snnbench.temporal import stepping


def always(t: int) -> bool:
    """Every step is learnt from."""
    return True


def walk_batch(
    model: nn.Module, batch: Batch, *, each_step: bool = False, learn: Callable[[int], bool] = always
) -> Outcome:
    """Walk `model` through the batch; the loss of step t is `loss_of` its logits, divided by T.

    States are cut from the graph after every step, so no gradient reaches an earlier one.

    Args:
        model: Maps `[1, N, C, H, W]` to logits `[1, N, K]`, one step at a time.
        batch: The batch to train on.
        each_step: True steps the optimiser after every step that is learnt from; False sums the gradients up and steps
            once, at the end.
        learn: Says for t in [0, T) whether step t is learnt from. Any other step runs without a graph and makes no
            gradient; its loss is counted all the same.

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
