"""The base class of models, and checks that refuse unsuitable inputs and parts in one sentence."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from snnbench.errors import ConfigError
from snnbench.models.parts import Projection, Unit, behind_spikes
from snnbench.neurons.membrane import MembraneNeuron
from snnbench.synapses.base import Synapse
from snnbench.temporal import Temporal


class SpikingModel(nn.Module):
    """`[T, N, C, H, W] -> logits [T, N, K]`: a linear readout, which never spikes, gives logits at each time step.

    The objective and the metrics take the mean over T. Because the readout is linear, the mean of the logits equals the
    logits of the mean features, which the papers compute. Submodules are registered in forward order.

    The class attribute `made_for` maps patterns of names in configs/model to the overrides with which the paper builds
    the model, for example {"*_dvs": ("data=cifar10_dvs",), "*": ("data=cifar10", "norm=tdbn")}. The first pattern that
    matches is used; `snnbench list model=<name>` shows its overrides, and the contract tests build the model with them.
    A model without `made_for` is built for the default data set.
    """

    traits: tuple[str, ...] = ()
    made_for: ClassVar[dict[str, tuple[str, ...]]] = {}

    def check_length(self, time_steps: int) -> None:
        """Raise ConfigError if T=`time_steps` is too short to learn anything; called before a run writes anything."""

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
    """Raise ConfigError if the configured attention acts on no layer of `model`."""
    layers = (module for module in model.modules() if isinstance(module, Projection | MembraneNeuron))
    require(
        any(layer.attention is not None for layer in layers),
        f"this attention finds no layer of {type(model).__name__} to act on; use attention=none or another model.",
    )


def require_norms_in_place(model: SpikingModel) -> None:
    """Raise ConfigError if `model` uses a norm of spikes outside of its units."""
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
