"""What objectives share: per-step logits in, a scalar and its named parts out; targets as classes or probabilities."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

Loss = tuple[Tensor, dict[str, Tensor]]


class Objective(nn.Module):
    """`forward(logits [T, N, K], target) -> (loss, parts)`; target int64 `[N]` or class probabilities `[N, K]`.

    A subclass whose `forward` returns the loss alone has no named parts; calling it gives `(loss, {})`.
    """

    def check_length(self, time_steps: int) -> None:
        """Raises ConfigError where its values do not fit `time_steps`; asked before a run writes anything."""

    def __call__(self, *arguments, **named) -> Loss:
        result = super().__call__(*arguments, **named)
        return result if isinstance(result, tuple) else (result, {})

    def forward(self, logits: Tensor, target: Tensor) -> Loss:
        raise NotImplementedError(f"{type(self).__name__} must define forward(logits, target)")


def as_probabilities(target: Tensor, logits: Tensor) -> Tensor:
    """The target as `[N, K]` in the logits' dtype: one-hot rows for classes, soft targets as they are."""
    if target.is_floating_point():
        return target.to(logits.dtype)
    return F.one_hot(target, logits.shape[-1]).to(logits.dtype)


def per_step_cross_entropy(logits: Tensor, target: Tensor, label_smoothing: float) -> Tensor:
    """mean_t CE(logits[t], target) for logits `[T, N, K]`."""
    repeated = target.expand(logits.shape[0], *target.shape).flatten(0, 1)
    return F.cross_entropy(logits.flatten(0, 1), repeated, label_smoothing=label_smoothing)
