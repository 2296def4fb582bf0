"""Taps: what inner neuron layers take in or give out, collected by hooks while an objective asks for it.

Hooks are Python: they run once when a CUDA graph is captured and cost nothing in its replays. They do not keep fused
kernels from running, except that a tapped current is normalised before the neuron's kernel instead of inside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from snnbench.models.parts import Unit
from snnbench.modules import evaluated

Signal = Literal["current", "output"]


class Taps:
    """Context manager: `values()` gives each layer's latest current or output `[T, N, C, *]`, in the order asked for.

    Args:
        model: gives `neurons() -> {name: layer}`.
        layers: names of neuron layers.
        signal: "output" what leaves the neurons; "current" what they integrate, after norm and residual.
    """

    def __init__(self, model: nn.Module, layers: Sequence[str], signal: Signal):
        self.neurons = {name: model.get_submodule(name) for name in layers}
        self._units = {id(unit.neuron): unit for unit in replaced_units(model)}
        self.signal = signal
        self.found: dict[str, Tensor] = {}
        self._handles: list = []

    def __enter__(self) -> Taps:
        self.found.clear()
        for name, neuron in self.neurons.items():
            if self.signal == "output":
                # a unit with a rule's mechanics gives its neuron's spikes the gradient that the rule makes
                source = self._units.get(id(neuron), neuron)
                hook = source.register_forward_hook(self._keep_output(name))
            else:
                hook = neuron.register_forward_pre_hook(self._keep_current(name), with_kwargs=True)
            self._handles.append(hook)
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def values(self) -> list[Tensor]:
        return [self.found[name] for name in self.neurons]

    def _keep_output(self, name: str):
        return lambda neuron, inputs, output: self.found.__setitem__(name, output)

    def _keep_current(self, name: str):
        def keep(neuron: nn.Module, inputs: tuple, named: dict):
            current = _current(*inputs, **named)
            self.found[name] = current
            return (current,), {}  # norm and residual are in it now

        return keep


def _current(x_seq: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
    current = x_seq if norm is None else norm(x_seq)
    return current if residual is None else current + residual


def replaced_units(model: nn.Module) -> list[Unit]:
    """The units in which a learning rule's mechanics run."""
    return [unit for unit in model.modules() if isinstance(unit, Unit) and unit.mechanics is not None]


@dataclass(frozen=True)
class Outline:
    """What a network is to a comparison of layers.

    Args:
        time_steps: T.
        layers: The shape `[C, *]` of every neuron layer that runs, in forward order.
        norms: The norm before a layer, where there is one.
        replaced: The layers in which a learning rule's mechanics run: their currents carry no gradient.
    """

    time_steps: int
    layers: dict[str, tuple[int, ...]]
    norms: dict[str, nn.Module]
    replaced: frozenset[str] = frozenset()


@torch.no_grad()
def outline(model: nn.Module, x_seq: Tensor) -> Outline:
    """Run `model` once in evaluation mode on `x_seq`; its state and mode stay as they are."""
    with evaluated(model), Taps(model, list(model.neurons()), "output") as taps:
        logits = model(x_seq)
    shapes = {name: tuple(value.shape[2:]) for name, value in taps.found.items()}
    owners = {id(unit.neuron): unit.norm for unit in model.modules() if isinstance(unit, Unit)}
    norms = {name: owners[id(neuron)] for name, neuron in taps.neurons.items() if id(neuron) in owners}
    replaced = {id(unit.neuron) for unit in replaced_units(model)}
    return Outline(len(logits), shapes, norms, frozenset(n for n, m in taps.neurons.items() if id(m) in replaced))
