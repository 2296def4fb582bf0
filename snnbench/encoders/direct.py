"""Direct encoding: the same analogue image at every step; the first layers make the spikes (Rueckauer et al. 2017)."""

from __future__ import annotations

from torch import Tensor

from snnbench.encoders.base import Encoder
from snnbench.temporal import shown


class Direct(Encoder):
    """`[N, C, H, W] -> [T, N, C, H, W]`, an expanded view: no copy, so a stem can see that it is static."""

    requires = {  # noqa: RUF012
        "images": "direct encoding repeats one image; event data are sequences already, use encoder=frames",
    }

    def forward(self, x: Tensor) -> Tensor:
        return shown(x, self.time_steps)
