"""Where a neuron or norm sits in a network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """What a neuron or norm may need to know of its surroundings.

    Args:
        channels: size of axis 2 of the currents `[T, N, C, *]`.
        time_steps: T, the number of time steps.
        v_th: threshold of the neuron that follows a norm.
        branches: number of branches that are summed before that neuron (tdBN scales by 1/sqrt(branches)).
        zero_init: the norm's gain starts at 0, so that a residual branch starts silent.
        dims: number of axes behind the channels, 2 for maps, 1 for tokens, 0 for vectors; told to norms and attentions.
    """

    channels: int
    time_steps: int
    v_th: float = 1.0
    branches: int = 1
    zero_init: bool = False
    dims: int = 2
