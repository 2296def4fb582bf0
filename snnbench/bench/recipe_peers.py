"""SpikingJelly 2.0's network for a recipe of the survey: our model built of its convolutions, norms and neurons.

Of the survey's neurons it has IF, LIF, CLIF, PSN and sliding PSN; recipes with another norm, rule or objective are
left out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from snnbench.bench.peers import PeerParts
from snnbench.build import build_model, instantiate

SHARED = {"v_th": 1.0, "strict": False, "amplitude": 1.0}
HARD = {**SHARED, "reset": "hard", "v_reset": 0.0, "detach_reset": True}


def _if(nodes, surrogate, config: dict) -> nn.Module:
    return nodes.IFNode(surrogate_function=surrogate, detach_reset=True, step_mode="m")


def _lif(nodes, surrogate, config: dict) -> nn.Module:
    neuron = config["neuron"]
    return nodes.LIFNode(
        tau=float(neuron["tau"]),
        decay_input=neuron["decay_input"],
        surrogate_function=surrogate,
        detach_reset=True,
        step_mode="m",
    )


def _clif(nodes, surrogate, config: dict) -> nn.Module:
    return nodes.ComplementaryLIFNode(tau=float(config["neuron"]["tau"]), surrogate_function=surrogate, step_mode="m")


def _psn(nodes, surrogate, config: dict) -> nn.Module:
    return nodes.PSN(config["T"], surrogate_function=surrogate)


def _sliding_psn(nodes, surrogate, config: dict) -> nn.Module:
    neuron = config["neuron"]
    return nodes.SlidingPSN(neuron["k"], neuron["exp_init"], surrogate_function=surrogate, step_mode="m")


NODES: dict[str, tuple[Callable[..., nn.Module], dict]] = {  # our neuron -> (its node, settings that it must have)
    "snnbench.neurons.integrate_fire.IF": (_if, HARD),
    "snnbench.neurons.lif.LIF": (_lif, HARD),
    "snnbench.neurons.clif.CLIF": (_clif, {**SHARED, "overwrite_m": False}),
    "snnbench.neurons.psn.PSN": (_psn, SHARED),
    "snnbench.neurons.sliding_psn.SlidingPSN": (_sliding_psn, SHARED),
}
REST = {  # axis -> what its network is made of
    "surrogate": "snnbench.surrogates.atan.ATan",
    "norm": "snnbench.norms.batch_norm.BatchNorm",
    "synapse": "snnbench.synapses.plain.Plain",
    "rule": "snnbench.rules.bptt.BPTT",
    "objective": "snnbench.objectives.mean_ce.MeanCE",
}


def peer_of(config: dict) -> Callable[[], nn.Module] | None:
    """A builder of SpikingJelly's network with the weights of ours (seed 0); None if it lacks a part of the recipe."""
    node, wanted = NODES.get(config["neuron"]["_target_"], (None, {}))
    same = all(config[axis]["_target_"] == target for axis, target in REST.items())
    same = same and not (config.get("teacher") or config.get("attention"))
    if node is None or not same or any(config["neuron"].get(key) != value for key, value in wanted.items()):
        return None
    return lambda: _network(config, node)


def _network(config: dict, node: Callable[..., nn.Module]) -> nn.Module:
    from spikingjelly.activation_based import neuron as nodes
    from spikingjelly.activation_based import surrogate as functions

    from snnbench.bench.engines.spikingjelly import FromRest, PeerSynapses, peer_norm

    alpha = config["surrogate"]["alpha"]
    parts = PeerParts(
        neuron_factory=lambda site, **changes: node(nodes, functions.ATan(alpha=alpha), config),
        norm_factory=peer_norm,
        synapse=PeerSynapses(),
        time_steps=config["T"],
    )
    data = config["data"]
    model = instantiate(config["model"], parts, in_shape=tuple(data["shape"]), num_classes=data["num_classes"])
    torch.manual_seed(0)
    ours = build_model(config)[0].state_dict()
    theirs = model.state_dict()
    # PSN's bias is [T, 1] there and [T] here
    model.load_state_dict({key: value.view(theirs[key].shape) for key, value in ours.items()}, strict=True)
    return FromRest(model)
