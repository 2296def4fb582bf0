"""No normalisation, for weight-standardised or shallow networks."""

from __future__ import annotations

from torch import nn

from snnbench.site import Site


class NoNorm(nn.Identity):
    """`[T, N, C, *]` returned as it is; `site` is accepted like every norm's."""

    def __init__(self, site: Site):
        super().__init__()
