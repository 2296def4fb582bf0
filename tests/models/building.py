"""Build models of `configs/model` from the package's own neurons, norms and synapses, without Hydra's composition."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

from snnbench.config.catalogue import target_of
from snnbench.config.made_for import made_for
from snnbench.config.signature import component
from snnbench.models.base import SpikingModel
from snnbench.models.parts import Parts
from snnbench.neurons.integrate_fire import IF
from snnbench.neurons.lif import LIF
from snnbench.norms.batch_norm import BatchNorm
from snnbench.surrogates.atan import ATan
from snnbench.synapses.plain import Plain

CONFIGS = Path(__file__).parents[2] / "configs" / "model"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))

BINARY = {0.0, 1.0}

__all__ = [
    "BINARY",
    "CONFIGS",
    "IF",
    "LIF",
    "NAMES",
    "build",
    "counts",
    "inputs_of",
    "is_a",
    "make_parts",
    "outputs",
    "parameters",
    "spiking_input",
    "step_shape",
    "true_shape",
]


def make_parts(
    neuron: type[nn.Module] = LIF, norm=BatchNorm, synapse=None, time_steps: int = 2, **neuron_args
) -> Parts:
    return Parts(partial(neuron, surrogate=ATan(), **neuron_args), norm, synapse or Plain(), time_steps)


def build(
    name: str,
    in_shape: tuple[int, int, int],
    num_classes: int = 10,
    parts: Parts | None = None,
    device: str = "cpu",
    **changes,
) -> SpikingModel:
    """The model of `configs/model/<name>.yaml` with `changes` of its values; on "meta" nothing is allocated.

    Without `parts`: those of `make_parts`, with the neuron that the file brings along.
    """
    config = _load(CONFIGS / f"{name}.yaml") | changes
    brought = config.pop("defaults", [])
    cls = _class_of(config)
    torch.manual_seed(0)
    with torch.device(device):
        return cls(parts or make_parts(_neuron_of(brought)), in_shape, num_classes, **config)


def _load(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def _class_of(config: dict) -> type[nn.Module]:
    module, _, cls = config.pop("_target_").rpartition(".")
    return getattr(importlib.import_module(module), cls)


def _neuron_of(brought: list) -> type[nn.Module]:
    """The class of the neuron that a model's `defaults` choose; LIF where they choose none."""
    for entry in brought:
        if isinstance(entry, dict) and "override /neuron@_global_.neuron" in entry:
            neuron = entry["override /neuron@_global_.neuron"]
            return _class_of(_load(CONFIGS.parent / "neuron" / f"{neuron}.yaml"))
    return LIF


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def outputs(model: nn.Module, x_seq: Tensor, wanted) -> dict[str, Tensor]:
    """What each submodule for which `wanted(name, module)` returned in one forward pass without gradient."""
    seen, handles = {}, []
    for name, module in model.named_modules():
        if wanted(name, module):
            handles.append(module.register_forward_hook(lambda _m, _i, y, name=name: seen.__setitem__(name, y)))
    with torch.no_grad():
        model(x_seq)
    for handle in handles:
        handle.remove()
    return seen


def is_a(*classes: type[nn.Module]):
    """What `outputs` is asked for modules of these classes."""
    return lambda _name, module: isinstance(module, classes)


def inputs_of(modules: list[nn.Module]) -> list[Tensor]:
    """The first argument of every later call of these modules; filled as they run."""
    seen = []
    for module in modules:
        module.register_forward_hook(lambda _m, args, _y: seen.append(args[0]))
    return seen


def true_shape(name: str) -> tuple[int, int, int]:
    """C, H, W of the inputs that the model is made for."""
    chosen = dict(override.split("=", 1) for override in made_for(name))
    shape = chosen.get("data.shape") or _load(CONFIGS.parent / "data" / f"{chosen.get('data', 'digits')}.yaml")["shape"]
    return tuple(yaml.safe_load(shape) if isinstance(shape, str) else shape)


def step_shape(name: str, in_shape: tuple[int, ...]) -> tuple[int, ...]:
    """What one sample shows in one step: an image, or the column `[C, H]` that a 1-d model reads."""
    return in_shape[:2] if "sequence_1d" in component(target_of("model", name)).traits else in_shape


def counts(tensor: Tensor) -> set[float]:
    """The distinct values of a tensor."""
    return set(tensor.unique().tolist())


def spiking_input(time_steps: int, samples: int, *shape: int, seed: int = 0) -> Tensor:
    """Random currents strong enough that every layer of an untrained net fires, `[T, N, *shape]`."""
    return 2 * torch.randn(time_steps, samples, *shape, generator=torch.Generator().manual_seed(seed))
