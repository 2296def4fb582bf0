"""What every model gives: its units, neurons and synapses by name, and one sentence when an input does not fit."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from snnbench.errors import ConfigError
from snnbench.models.parts import Projection, Unit, behind_spikes
from snnbench.neurons.membrane import MembraneNeuron
from snnbench.synapses.base import Synapse
from snnbench.temporal import Temporal


class SpikingModel(nn.Module):
    """`[T, N, C, H, W] -> logits [T, N, K]`: one set of logits a time step from a linear readout that never spikes.

    The mean over T is the objective's and the metric's business; since the readout is linear, the mean of the logits
    equals the logits of the mean features that the papers compute. Submodules are registered in forward order.

    A model says in the literal `made_for` what it is made for: {pattern of names in configs/model: overrides with which
    its paper builds it}, for example {"*_dvs": ("data=cifar10_dvs",), "*": ("data=cifar10", "norm=tdbn")}. The first
    pattern that fits a name counts; `snnbench list model=<name>` shows its overrides, and the contract tests build the
    model with them. A model without `made_for` is built for the default data set.
    """

    traits: tuple[str, ...] = ()
    made_for: ClassVar[dict[str, tuple[str, ...]]] = {}

    def check_length(self, time_steps: int) -> None:
        """Raises ConfigError where nothing can be learned within `time_steps`; asked before a run writes anything."""

    def units(self) -> list[Unit]:
        """All `synapse -> norm -> neuron` units in forward order."""
        return [module for module in self.modules() if isinstance(module, Unit)]

    def neurons(self) -> dict[str, nn.Module]:
        """All neuron layers by name, in forward order: the temporal modules that own a surrogate."""
        return {
            name: module
            for name, module in self.named_modules()
            if isinstance(module, Temporal) and hasattr(module, "surrogate")
        }

    def synapses(self) -> list[Synapse]:
        """All synapses in forward order, readout last."""
        return [module for module in self.modules() if isinstance(module, Synapse)]


def require_size(model: str, in_shape: tuple[int, int, int], smallest: int, instead: str) -> None:
    """Raise ConfigError unless height and width of `in_shape` reach `smallest` pixels.

    `instead` says what fits, e.g. "use model=spiking_resnet_tiny".
    """
    channels, height, width = in_shape
    if min(height, width) < smallest:
        raise ConfigError(
            f"{model} needs inputs of at least {smallest}x{smallest} pixels, "
            f"got {channels}x{height}x{width}: {instead}."
        )


def require_attended(model: SpikingModel) -> None:
    """Raise ConfigError if the attention that was asked for stands nowhere in `model`."""
    layers = (module for module in model.modules() if isinstance(module, Projection | MembraneNeuron))
    require(
        any(layer.attention is not None for layer in layers),
        f"this attention finds no layer of {type(model).__name__} to act on; use attention=none or another model.",
    )


def require_norms_in_place(model: SpikingModel) -> None:
    """Raise ConfigError if a norm that stands behind spikes was put in front of a neuron, outside a unit."""
    in_place = {id(unit.spike_norm) for unit in model.units()}
    for name, norm in model.named_modules():
        require(
            not behind_spikes(norm) or id(norm) in in_place,
            f"{type(norm).__name__} stands behind the spikes of a unit, and {type(model).__name__} has a norm outside "
            f"its units ({name}); use a norm of currents such as norm=bn, or a model of units such as model=csnn.",
        )


def require(condition: bool, message: str) -> None:
    """Raise ConfigError with `message` unless `condition` holds."""
    if not condition:
        raise ConfigError(message)
