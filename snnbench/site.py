"""Where a neuron or norm sits in a network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """The facts about its position that a neuron or norm may need.

    Args:
        channels: The size C of axis 2 of the currents `[T, N, C, *]`.
        time_steps: The number of time steps T.
        v_th: The threshold of the neuron that follows a norm.
        branches: The number of branches that are summed before that neuron (tdBN scales by 1/sqrt(branches)).
        zero_init: Whether the norm's gain starts at 0, so that a residual branch starts with output 0.
        dims: The number of axes after the channels: 2 for maps, 1 for tokens, 0 for vectors. Only norms and attentions
            get it.
    """

    channels: int
    time_steps: int
    v_th: float = 1.0
    branches: int = 1
    zero_init: bool = False
    dims: int = 2
