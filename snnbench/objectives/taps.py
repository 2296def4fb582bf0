"""Taps: what inner neuron layers take in, compare and give out, collected by hooks while an objective asks for it.

Hooks are Python: they run once when a CUDA graph is captured and cost nothing in its replays. Where features or
currents are tapped, fused kernels keep running, but a tapped current is normalised before the neuron's kernel, not
inside it. A neuron whose potential is tapped runs as plain PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from snnbench.models.parts import Unit
from snnbench.modules import evaluated
from snnbench.temporal import StepStates, active_states

Signal = Literal["current", "potential", "features"]
Seen = dict[Signal, dict[str, Tensor]]  # each layer's signal [T, N, C, *]


class Taps:
    """Context manager: `values()` gives what the layers have shown `[T, N, C, *]`, with its gradient.

    Outside of a walk through time a layer's latest call counts. In a walk, be it `stepping` or that of a `Recurrent`,
    every step since the last `values()` does: an objective of each step alone gets its step, one of the whole walk gets
    them all.

    Args:
        model: gives `neurons() -> {name: layer}`.
        layers: names of neuron layers.
        signals: which of these are collected. "current": what the neurons integrate, after norm and residual.
            "potential": what their threshold compares, before the reset. "features": what leaves them.
    """

    def __init__(self, model: nn.Module, layers: Sequence[str], signals: Sequence[Signal]):
        self.neurons = {name: model.get_submodule(name) for name in layers}
        self.signals = tuple(signals)
        # a unit with a rule's mechanics gives its neuron's spikes the gradient that the rule makes
        self._units = {id(unit.neuron): unit for unit in replaced_units(model)} if "features" in self.signals else {}
        self._found: dict[tuple[Signal, str], tuple[StepStates | None, list[Tensor]]] = {}
        self._handles: list = []

    def __enter__(self) -> Taps:
        self._found.clear()
        for signal in self.signals:
            for name, neuron in self.neurons.items():
                self._handles.append(self._tap(signal, neuron, partial(self._keep, (signal, name))))
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if "potential" in self.signals:
            for neuron in self.neurons.values():
                neuron.watcher = None

    def values(self) -> Seen:
        """What each layer that has run showed since the last call, in the order asked for; it is handed out once."""
        found, self._found = self._found, {}
        return {
            signal: {name: _joined(found[signal, name][1]) for name in self.neurons if (signal, name) in found}
            for signal in self.signals
        }

    def _keep(self, key: tuple[Signal, str], value: Tensor) -> None:
        walk, kept = active_states(), self._found.get(key)
        if walk is None or kept is None or kept[0] is not walk:
            kept = self._found[key] = (walk, [])
        kept[1].append(value)

    def _tap(self, signal: Signal, neuron: nn.Module, keep):
        """The handle of a hook that keeps this signal."""
        if signal == "features":
            source = self._units.get(id(neuron), neuron)
            return source.register_forward_hook(lambda module, inputs, output: keep(output))
        if signal == "potential":
            compared: list[Tensor] = []
            neuron.watcher = compared.append
            return neuron.register_forward_hook(partial(_keep_potential, keep, compared))
        if signal == "current":
            return neuron.register_forward_pre_hook(partial(_keep_current, keep), with_kwargs=True)
        raise ValueError(f"there is no signal {signal!r}, only {', '.join(get_args(Signal))}")


def _keep_potential(keep, compared: list[Tensor], neuron: nn.Module, inputs: tuple, output: Tensor) -> None:
    """Keep one potential for every output; a neuron that compares none, or several in a step, shows none."""
    potential = _joined([u if u.ndim == output.ndim else u.unsqueeze(0) for u in compared]) if compared else None
    compared.clear()
    if potential is not None and potential.shape == output.shape:
        keep(potential)


def _keep_current(keep, neuron: nn.Module, inputs: tuple, named: dict) -> tuple[tuple[Tensor], dict]:
    current = _current(*inputs, **named)
    keep(current)
    return (current,), {}  # norm and residual are in it now


def _joined(steps: list[Tensor]) -> Tensor:
    return steps[0] if len(steps) == 1 else torch.cat(steps)


def _current(x_seq: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
    current = x_seq if norm is None else norm(x_seq)
    return current if residual is None else current + residual


def replaced_units(model: nn.Module) -> list[Unit]:
    """The units in which a learning rule's mechanics run."""
    return [unit for unit in model.modules() if isinstance(unit, Unit) and unit.mechanics is not None]


@dataclass(frozen=True)
class Outline:
    """What a network is to an objective that looks into it.

    Args:
        time_steps: T.
        layers: The shape `[C, *]` of every neuron layer that runs, in forward order.
        norms: The norm before a layer, where there is one.
        replaced: The layers in which a learning rule's mechanics run: their currents and potentials carry no gradient.
        thresholds: v_th of every layer whose potential can be seen: the neuron compares one potential a step with it.
    """

    time_steps: int
    layers: dict[str, tuple[int, ...]]
    norms: dict[str, nn.Module]
    replaced: frozenset[str] = frozenset()
    thresholds: dict[str, float] = field(default_factory=dict)


@torch.no_grad()
def outline(model: nn.Module, x_seq: Tensor) -> Outline:
    """Run `model` once in evaluation mode on `x_seq`; its state and mode stay as they are."""
    with evaluated(model), Taps(model, list(model.neurons()), ("features", "potential")) as taps:
        logits = model(x_seq)
        shown = taps.values()
    shapes = {name: tuple(value.shape[2:]) for name, value in shown["features"].items()}
    thresholds = {name: taps.neurons[name].v_th for name in shown["potential"]}
    owners = {id(unit.neuron): unit.norm for unit in model.modules() if isinstance(unit, Unit)}
    norms = {name: owners[id(neuron)] for name, neuron in taps.neurons.items() if id(neuron) in owners}
    replaced = {id(unit.neuron) for unit in replaced_units(model)}
    mechanical = frozenset(name for name, neuron in taps.neurons.items() if id(neuron) in replaced)
    return Outline(len(logits), shapes, norms, mechanical, thresholds)
