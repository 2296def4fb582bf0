"""Learning-rate schedules: a factor on the optimiser's lr as a function of the epoch (fractional within one).

`interval` says whether the factor is set once an epoch, as most recipes do, or at every optimiser step.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from snnbench.config.errors import ConfigError


class Schedule:
    """`factor(epoch)` for epoch in [0, epochs]."""

    def __init__(self, epochs: int, interval: str):
        self.epochs, self.interval = epochs, interval

    def factor(self, epoch: float) -> float:
        raise NotImplementedError


class Cosine(Schedule):
    """Linear warm-up from `warmup_factor`, then half a cosine down to `min_factor` (timm's order: the cosine runs
    over all epochs and the warm-up replaces its beginning), then `cooldown_epochs` at the minimum."""

    def __init__(
        self,
        epochs: int,
        warmup_epochs: Annotated[int, ">= 0"] = 0,
        warmup_factor: Annotated[float, "in [0, 1]"] = 0.0,
        min_factor: Annotated[float, "in [0, 1]"] = 0.0,
        cooldown_epochs: Annotated[int, ">= 0"] = 0,
        interval: Literal["epoch", "step"] = "epoch",
    ):
        super().__init__(epochs, interval)
        if warmup_epochs + cooldown_epochs >= epochs and warmup_epochs + cooldown_epochs > 0:
            raise ConfigError(
                f"schedule.warmup_epochs={warmup_epochs} and schedule.cooldown_epochs={cooldown_epochs} leave nothing "
                f"of train.epochs={epochs}: lower them or train longer"
            )
        self.warmup_epochs, self.warmup_factor = warmup_epochs, warmup_factor
        self.min_factor, self.span = min_factor, epochs - cooldown_epochs

    def factor(self, epoch: float) -> float:
        if epoch < self.warmup_epochs:
            return self.warmup_factor + (1 - self.warmup_factor) * epoch / self.warmup_epochs
        progress = min(epoch / self.span, 1.0)
        return self.min_factor + (1 - self.min_factor) * 0.5 * (1 + math.cos(math.pi * progress))


class Step(Schedule):
    """Multiply by `gamma` after every `every` epochs."""

    def __init__(
        self,
        epochs: int,
        every: Annotated[int, ">= 1"] = 30,
        gamma: Annotated[float, "in (0, 1]"] = 0.1,
        interval: Literal["epoch", "step"] = "epoch",
    ):
        super().__init__(epochs, interval)
        self.every, self.gamma = every, gamma

    def factor(self, epoch: float) -> float:
        return self.gamma ** (math.floor(epoch) // self.every)


class Constant(Schedule):
    """The optimiser's lr throughout."""

    def __init__(self, epochs: int, interval: Literal["epoch", "step"] = "epoch"):
        super().__init__(epochs, interval)

    def factor(self, epoch: float) -> float:
        return 1.0
