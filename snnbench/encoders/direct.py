"""Direct encoding: every step gets the same image, and the first layer makes the spikes (Rueckauer et al. 2017)."""

from __future__ import annotations

from torch import Tensor

from snnbench.encoders.base import Encoder
from snnbench.temporal import shown


class Direct(Encoder):
    """`[N, C, H, W] -> [T, N, C, H, W]`, an expanded view, so that a layer can tell that all steps are the same."""

    requires = {  # noqa: RUF012
        "images": "direct encoding repeats one image; event data are sequences already, use encoder=frames",
    }

    def forward(self, x: Tensor) -> Tensor:
        return shown(x, self.time_steps)
