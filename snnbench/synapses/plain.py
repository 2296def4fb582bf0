"""Plain synapses: torch's convolutions and linear layers, which compute all time steps in one call."""

from __future__ import annotations

from snnbench.synapses.base import Conv1d, Conv2d, Linear, SynapseFamily


class Plain(SynapseFamily):
    """`nn.Conv1d`, `nn.Conv2d`, `nn.Linear` over `[T, N, *]`, with torch's initialisation and state-dict keys."""

    convolutions = {1: Conv1d, 2: Conv2d}  # noqa: RUF012
    linear_class = Linear
