"""A gate of the channels, of the currents or of the membrane potential."""

from typing import Literal

import torch
from torch import Tensor, nn

from snnbench.attentions.base import Attention
from snnbench.site import Site


class ChannelGate(nn.Module):
    """Weigh each channel by the sigmoid of a linear map of all channels' means, `[..., C, *] -> same`."""

    def __init__(self, channels: int, dims: int):
        super().__init__()
        self.dims, self.linear = dims, nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        space = tuple(range(-self.dims, 0))
        weights = torch.sigmoid(self.linear(x.mean(space) if space else x)).to(x.dtype)
        return x * weights[(..., *[None] * self.dims)]


class Gated(Attention):
    """A channel gate.

    Args:
        place: Where it acts: on the currents, or on the potential before the threshold.
    """

    def __init__(self, site: Site, place: Literal["conv_post", "activate_pre"] = "conv_post"):
        super().__init__(site)
        setattr(self, place, ChannelGate(site.channels, site.dims))
