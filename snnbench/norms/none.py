"""No normalisation, for weight-standardised or shallow networks."""

from __future__ import annotations

from torch import nn

from snnbench.site import Site


class NoNorm(nn.Identity):
    """Returns its input `[T, N, C, *]` unchanged; it accepts `site` because every norm does."""

    def __init__(self, site: Site):
        super().__init__()
