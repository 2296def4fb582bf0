"""Learning-rate schedules: a factor on the optimiser's lr as a function of the epoch (fractional within one).

`interval` says whether the factor is set once an epoch, as most recipes do, or at every optimiser step.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from snnbench.errors import ConfigError


class Schedule:
    """`factor(epoch)` for epoch in [0, epochs].

    Args:
        interval: the learning rate is set once an epoch ("epoch", as most recipes do) or at every step ("step").
    """

    def __init__(self, epochs: int, interval: str):
        self.epochs, self.interval = epochs, interval

    def factor(self, epoch: float) -> float:
        raise NotImplementedError


class Cosine(Schedule):
    """Linear warm-up from `warmup_factor`, then half a cosine down to `min_factor` (timm's order: the cosine runs
    over all epochs and the warm-up replaces its beginning), then `cooldown_epochs` at the minimum.

    Args:
        warmup_epochs: number of epochs in which the factor rises linearly to 1.
        warmup_factor: factor on the learning rate where the warm-up begins.
        min_factor: factor on the learning rate where the cosine ends.
        cooldown_epochs: number of epochs at the end that keep min_factor; the cosine ends before them.
    """

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


class CosineAfterWarmup(Schedule):
    """Linear warm-up from `warmup_factor`, then half a cosine down to `min_factor` over the epochs that are left: the
    cosine begins where the warm-up ends (MAE's fine-tuning code, He et al. 2022; QKFormer's on ImageNet).

    Args:
        warmup_epochs: number of epochs in which the factor rises linearly to 1.
        warmup_factor: factor on the learning rate where the warm-up begins.
        min_factor: factor on the learning rate after the last epoch.
    """

    def __init__(
        self,
        epochs: int,
        warmup_epochs: Annotated[int, ">= 0"] = 0,
        warmup_factor: Annotated[float, "in [0, 1]"] = 0.0,
        min_factor: Annotated[float, "in [0, 1]"] = 0.0,
        interval: Literal["epoch", "step"] = "epoch",
    ):
        super().__init__(epochs, interval)
        if warmup_epochs >= epochs:
            raise ConfigError(
                f"schedule.warmup_epochs={warmup_epochs} leaves nothing of train.epochs={epochs}: "
                "lower it or train longer"
            )
        self.warmup_epochs, self.warmup_factor, self.min_factor = warmup_epochs, warmup_factor, min_factor

    def factor(self, epoch: float) -> float:
        if epoch < self.warmup_epochs:
            return self.warmup_factor + (1 - self.warmup_factor) * epoch / self.warmup_epochs
        progress = min((epoch - self.warmup_epochs) / (self.epochs - self.warmup_epochs), 1.0)
        return _half_cosine(1.0, self.min_factor, progress)


class CosineWave(Schedule):
    """Half a cosine down to zero in `half_period` epochs, up again in as many, and so on: torch's CosineAnnealingLR
    with T_max below the number of epochs (PLIF's code; GLIF's on event data).

    Args:
        half_period: number of epochs from the full learning rate down to zero.
    """

    def __init__(
        self,
        epochs: int,
        half_period: Annotated[int, ">= 1"] = 64,
        interval: Literal["epoch", "step"] = "epoch",
    ):
        super().__init__(epochs, interval)
        self.half_period = half_period

    def factor(self, epoch: float) -> float:
        return 0.5 * (1 + math.cos(math.pi * epoch / self.half_period))


class OneCycle(Schedule):
    """Up to the optimiser's lr and down again by half cosines, as torch's OneCycleLR (Smith & Topin, 2019) stepped once
    an epoch: lr / div_factor at epoch 0, lr at `peak` * epochs - 1, lr / (div_factor * final_div_factor) at the last.
    The optimiser's momentum stays (torch cycles it too).

    Args:
        peak: share of the epochs after which the learning rate is at its largest.
        div_factor: the first learning rate is the largest one divided by this.
        final_div_factor: the last learning rate is the first one divided by this.
    """

    def __init__(
        self,
        epochs: int,
        peak: Annotated[float, "in (0, 1)"] = 0.3,
        div_factor: Annotated[float, ">= 1"] = 25.0,
        final_div_factor: Annotated[float, ">= 1"] = 1e4,
        interval: Literal["epoch", "step"] = "epoch",
    ):
        super().__init__(epochs, interval)
        self.top, self.last = max(peak * epochs - 1, 0.0), max(epochs - 1, 1)
        self.first, self.final = 1 / div_factor, 1 / (div_factor * final_div_factor)

    def factor(self, epoch: float) -> float:
        if epoch < self.top:
            return _half_cosine(self.first, 1.0, epoch / self.top)
        return _half_cosine(1.0, self.final, min((epoch - self.top) / max(self.last - self.top, 1e-9), 1.0))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


class Step(Schedule):
    """Multiply by `gamma` after every `every` epochs.

    Args:
        every: number of epochs after which the learning rate falls once more.
        gamma: factor by which it falls.
    """

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
