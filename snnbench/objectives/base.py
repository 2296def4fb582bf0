"""What objectives share: per-step logits in, a scalar and its named parts out; targets as classes or probabilities."""

from __future__ import annotations

from typing import get_args

from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.errors import ConfigError
from snnbench.objectives.taps import Outline, Signal

Loss = tuple[Tensor, dict[str, Tensor]]


class Objective(nn.Module):
    """`forward(logits [T, N, K], target) -> (loss, parts)`; target int64 `[N]` or class probabilities `[N, K]`.

    A subclass whose `forward` returns the loss alone has no named parts; calling it gives `(loss, {})`.

    One that looks into the network names what it sees, and its `forward(logits, target, seen)` gets it:
    `seen["potential"]["conv.neuron"]` is what that layer showed, `[T, N, C, *]` with its gradient. Under a rule that
    takes the loss of every step alone, T is 1 there.

    Attributes:
        sees: what is collected of the network in its forward pass; see `snnbench.objectives.taps.Signal`.
        layers: names of the neuron layers that are seen; None before `prepare`, where all are wanted.
    """

    sees: tuple[Signal, ...] = ()
    layers: list[str] | None = None

    def prepare(self, student: Outline, teacher: Outline | None = None) -> None:
        """Called once, when the networks are built, on an objective that sees something or has a teacher.

        Where `layers` is None it becomes all layers that show what is to be seen. An objective that needs their
        thresholds keeps `student.thresholds` here.

        Raises:
            ConfigError: `sees` has an unknown signal, no layer shows it, `layers` is empty or has another name, or a
                learning rule's mechanics run in a layer, so that its potentials and currents carry no gradient.
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
