"""The base class of objectives, which map the logits of every time step and the target to a loss."""

from __future__ import annotations

from typing import get_args

from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.errors import ConfigError
from snnbench.objectives.taps import Outline, Signal

Loss = tuple[Tensor, dict[str, Tensor]]


class Objective(nn.Module):
    """`forward(logits [T, N, K], target) -> (loss, parts)`; target int64 `[N]` or class probabilities `[N, K]`.

    The parts are named scalars for the log. A subclass may return the loss alone; calling it then gives `(loss, {})`.

    An objective that needs signals from inside the network lists them in `sees`. Its `forward(logits, target, seen)`
    then gets for example `seen["potential"]["conv.neuron"]`, the potentials `[T, N, C, *]` of that layer, through which
    gradients flow. Under a rule that takes the loss of every step alone, T is 1 there.

    Attributes:
        sees: The signals to collect in the forward pass; `snnbench.objectives.taps.Taps` explains them.
        layers: The names of the neuron layers to collect from. None stands for all layers until `prepare` sets it.
    """

    sees: tuple[Signal, ...] = ()
    layers: list[str] | None = None

    def prepare(self, student: Outline, teacher: Outline | None = None) -> None:
        """Called once after the networks are built, if the objective collects signals or has a teacher.

        If `layers` is None, it becomes all layers that have the signal. An objective that needs their thresholds can
        store `student.thresholds` here.

        Raises:
            ConfigError: `sees` has an unknown signal, no layer has it, `layers` is empty or names no such layer, or a
                learning rule replaces the computation of a layer, whose potentials and currents then have no gradient.
        """
        name, inner = type(self).__name__, [signal for signal in self.sees if signal != "features"]
        for signal in self.sees:
            if signal not in get_args(Signal):
                raise ConfigError(
                    f"objective: {name}.sees has {signal!r}; what can be seen is {', '.join(get_args(Signal))}"
                )
        able = student.thresholds if "potential" in self.sees else student.layers
        if not able:
            raise ConfigError(
                f"objective: {name} sees membrane potentials, and no neuron layer of this network compares one with a "
                "fixed v_th; use a neuron such as neuron=lif or neuron=plif, or another objective"
            )
        self.layers = list(able) if self.layers is None else self.layers
        if not self.layers:
            raise ConfigError("objective.layers is empty; name a neuron layer, or set it to null for all of them")
        for layer in self.layers:
            if layer not in able:
                raise ConfigError(
                    f"objective.layers: {layer} is no neuron layer with {', '.join(self.sees)}; there are "
                    f"{', '.join(able)}"
                )
        if inner and student.replaced.intersection(self.layers):
            raise ConfigError(
                f"objective: {name} sees each layer's {' and '.join(inner)}, through which this rule sends no "
                "gradient; use rule=bptt"
            )

    def check_length(self, time_steps: int) -> None:
        """Raise ConfigError if an argument does not fit T=`time_steps`; called before a run writes anything."""

    def __call__(self, *arguments, **named) -> Loss:
        result = super().__call__(*arguments, **named)
        return result if isinstance(result, tuple) else (result, {})

    def forward(self, logits: Tensor, target: Tensor) -> Loss:
        raise NotImplementedError(f"{type(self).__name__} must define forward(logits, target)")


def as_probabilities(target: Tensor, logits: Tensor) -> Tensor:
    """The target as `[N, K]` in the dtype of the logits; class labels become one-hot rows."""
    if target.is_floating_point():
        return target.to(logits.dtype)
    return F.one_hot(target, logits.shape[-1]).to(logits.dtype)


def per_step_cross_entropy(logits: Tensor, target: Tensor, label_smoothing: float) -> Tensor:
    """mean_t CE(logits[t], target) for logits `[T, N, K]`."""
    repeated = target.expand(logits.shape[0], *target.shape).flatten(0, 1)
    return F.cross_entropy(logits.flatten(0, 1), repeated, label_smoothing=label_smoothing)
