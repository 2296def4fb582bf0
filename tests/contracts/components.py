"""Components of any axis by their YAML, and the neuron of the tests as a plain loop."""

import torch
from omegaconf import OmegaConf
from torch import Tensor

from snnbench.build import instantiate
from snnbench.config.catalogue import path_of
from snnbench.config.signature import Component, component
from snnbench.models.parts import Parts
from snnbench.neurons.lif import LIF
from snnbench.norms.batch_norm import BatchNorm
from snnbench.surrogates.atan import ATan
from snnbench.synapses.plain import Plain


def node(axis: str, name: str) -> dict:
    """The YAML's values (groups of one file compose without the rest of the configuration)."""
    return OmegaConf.to_container(OmegaConf.load(path_of(axis, name)), resolve=False)


def made(axis: str, name: str, *arguments: object, **named: object) -> object:
    """An object of the class that the YAML names, with the YAML's values and these arguments."""
    return instantiate(node(axis, name), *arguments, **named)


def class_of(axis: str, name: str) -> Component:
    """What the class that the YAML names says of itself: traits, rejects, requires."""
    return component(node(axis, name)["_target_"])


def parts_of(time_steps: int, neuron=None, norm=BatchNorm, *more: object, v_th: float = 1.0) -> Parts:
    """Parts with an LIF of threshold `v_th` unless a factory of neurons is given; their weights are always the same."""
    lif = lambda site, **changes: LIF(site, ATan(), **{"v_th": v_th} | changes)  # noqa: E731
    torch.manual_seed(2)
    return Parts(neuron or lif, norm, Plain(), time_steps, *more)


def lif_by_hand(currents: Tensor, v_th: float = 1.0, feedback: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Spikes and potentials before the reset `[T, N, C, *]` of LIF: tau 2, input decays, hard reset.

    feedback: weights `[C, C]` with which the neurons hear their own spikes of the step before.
    """
    v, spikes, potentials = torch.zeros_like(currents[0]), [torch.zeros_like(currents[0])], []
    for x_t in currents:
        heard = 0 if feedback is None else spikes[-1] @ feedback.T
        potentials.append(v + (x_t + heard - v) / 2)
        spikes.append(ATan()(potentials[-1] - v_th))
        v = (1 - spikes[-1].detach()) * potentials[-1]
    return torch.stack(spikes[1:]), torch.stack(potentials)
