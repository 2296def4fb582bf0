"""Build our architectures from the layers of another framework.

Our models get their layers from a `Parts`. So the network of another framework is our model, built from that
framework's convolutions, norms and neurons, with the same graph, state-dict keys and weights. It does not use our
`Unit`, whose fused path is what the bench compares it with.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from snnbench.bench.step import count
from snnbench.bench.works import Work
from snnbench.build import build_model, instantiate
from snnbench.models.parts import Parts, Projection
from snnbench.site import Site


class PeerUnit(Projection):
    """A projection and the peer's neuron, one after the other."""

    def __init__(self, synapse: nn.Module, norm: nn.Module, neuron: nn.Module, *between, **named_between):
        super().__init__(synapse, norm, *between, **named_between)
        self.neuron = neuron

    def forward(self, x_seq: Tensor, residual: Tensor | None = None) -> Tensor:
        current = super().forward(x_seq)
        return self.neuron(current if residual is None else current + residual)


class PeerParts(Parts):
    """Parts whose units are a peer's. Its `norm_factory(site)` finds 1-d and 2-d classes by `site.dims`."""

    unit_class = PeerUnit


def peer_net(
    work: Work, neuron: Callable[[dict, dict], nn.Module], norm: Callable[[Site], nn.Module], synapse: object
) -> nn.Module:
    """Our model of `work` from a peer's layers, with the weights of ours (seed 0).

    neuron: (neuron section of the config, changes) -> layer; norm: (site) -> layer.

    Raises:
        ValueError: the peer's network is not the same architecture.
    """
    config = work.config()
    parts = PeerParts(
        neuron_factory=lambda site, **changes: neuron({**config["neuron"], **changes}, config["surrogate"]),
        norm_factory=norm,
        synapse=synapse,
        time_steps=config["T"],
    )
    data = config["data"]
    model = instantiate(config["model"], parts, in_shape=tuple(data["shape"]), num_classes=data["num_classes"])
    torch.manual_seed(0)
    ours, _ = build_model(config)
    model.load_state_dict(ours.state_dict(), strict=True)
    if count(model) != count(ours):
        raise ValueError(f"{work.name}: {count(model)} parameters of the peer for {count(ours)} of ours")
    return model


def require_lif(neuron: dict, surrogate: dict) -> None:
    """The peers here know one neuron: LIF with a hard detached reset to 0, ATan. Raises ValueError for another."""
    known = {
        "decay_input": True,
        "reset": "hard",
        "v_reset": 0.0,
        "detach_reset": True,
        "strict": False,
        "amplitude": 1.0,
    }
    other = {key: neuron.get(key) for key, value in known.items() if neuron.get(key) != value}
    if other or not surrogate["_target_"].endswith(".ATan"):
        raise ValueError(f"the peers are built for LIF with ATan, not for {other or surrogate['_target_']}")
