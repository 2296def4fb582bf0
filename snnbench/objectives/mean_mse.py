"""Mean square error of the time-averaged readout against the one-hot label (STBP, Wu et al. 2018).

As in the released code, this is the mean over batch and classes (torch's MSELoss); the paper writes sum ||.||^2 / (2
S). STBP applies it to the firing rates of a spiking last layer; here it applies to the mean of the readout.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from snnbench.objectives.base import Loss, Objective, as_probabilities
from snnbench.temporal import full_precision


class MeanMSE(Objective):
    """`(logits [T, N, K], target [N] or [N, K]) -> (loss, {"mse"})`."""

    def forward(self, logits: Tensor, target: Tensor) -> Loss:
        mean = full_precision(logits).mean(0)
        loss = F.mse_loss(mean, as_probabilities(target, mean))
        return loss, {"mse": loss}
