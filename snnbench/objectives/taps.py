"""Taps collect the currents, potentials or outputs of inner neuron layers by hooks, if an objective needs them.

A hook runs in Python, once when a CUDA graph is captured, and costs nothing when the graph is replayed. Collecting
outputs or currents leaves fused kernels in use, but a collected current is normalised before the neuron's kernel and
not inside it. A neuron whose potential is collected runs as plain PyTorch.
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
    """Context manager whose `values()` returns the collected signals `[T, N, C, *]`, through which gradients flow.

    When a model runs whole sequences, the latest call of a layer is kept. When it walks step by step, in `stepping` or
    in a `Recurrent`, all steps since the last `values()` are kept: an objective that is computed at each step gets that
    step, and one that is computed at the end gets all steps.

    Args:
        model: A network with `neurons() -> {name: layer}`.
        layers: The names of the neuron layers.
        signals: The signals to collect: "current" is the input of the neurons after norm and residual, "potential" is
            compared with the threshold before the reset, "features" are the neurons' outputs.
    """

    def __init__(self, model: nn.Module, layers: Sequence[str], signals: Sequence[Signal]):
        self.neurons = {name: model.get_submodule(name) for name in layers}
        self.signals = tuple(signals)
        # where a rule computes a unit, only the unit's output has the rule's gradient, not that of its neuron
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
        """The signals of all layers that ran since the last call, in the order of `layers`; each is returned once."""
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
        """Register a hook that passes this signal to `keep`, and return its handle."""
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
    """Keep the potential if it has the shape of the output: the neuron compared exactly one at each step."""
    potential = _joined([u if u.ndim == output.ndim else u.unsqueeze(0) for u in compared]) if compared else None
    compared.clear()
    if potential is not None and potential.shape == output.shape:
        keep(potential)


def _keep_current(keep, neuron: nn.Module, inputs: tuple, named: dict) -> tuple[tuple[Tensor], dict]:
    current = _current(*inputs, **named)
    keep(current)
    return (current,), {}  # the neuron must not apply norm and residual again


def _joined(steps: list[Tensor]) -> Tensor:
    return steps[0] if len(steps) == 1 else torch.cat(steps)


def _current(x_seq: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
    current = x_seq if norm is None else norm(x_seq)
    return current if residual is None else current + residual


def replaced_units(model: nn.Module) -> list[Unit]:
    """The units whose computation a learning rule has replaced (`mechanics`)."""
    return [unit for unit in model.modules() if isinstance(unit, Unit) and unit.mechanics is not None]


@dataclass(frozen=True)
class Outline:
    """The facts about a network that an objective needs to choose layers.

    Args:
        time_steps: The number T of steps of the logits.
        layers: The shape `[C, *]` of every neuron layer that runs, in forward order.
        norms: The norm before each layer that has one.
        replaced: The layers that a learning rule computes; their currents and potentials have no gradient.
        thresholds: v_th of every layer that compares one potential with it at each step; only these can be collected.
    """

    time_steps: int
    layers: dict[str, tuple[int, ...]]
    norms: dict[str, nn.Module]
    replaced: frozenset[str] = frozenset()
    thresholds: dict[str, float] = field(default_factory=dict)


@torch.no_grad()
def outline(model: nn.Module, x_seq: Tensor) -> Outline:
    """The outline of `model`, from one forward pass of `x_seq` in evaluation mode; buffers and mode are restored."""
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
