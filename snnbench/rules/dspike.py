"""Dspike's choice of the surrogate's temperature, once an epoch (Li et al., NeurIPS 2021; no official code is known).

Before each epoch e, one batch chooses the temperature b_e of the surrogate:

    FD_i = (L(w + eps e_i) - L(w - eps e_i)) / (2 eps)            for every weight w_i of the first layer
    b_e = argmax over b in {b_{e-1}, b_{e-1} + db, b_{e-1} - db} of cos(FD, dL/dw by BPTT with temperature b)

L is the loss of the network with spikes. BPTT then trains the epoch with b_e in all layers. Each weight needs two
forward passes: 3,456 for 64 filters of 3x3x3. The paper does not state db, eps and the initial b.

Where the sources say nothing, we chose: the batch is the epoch's first. Both gradients are computed in evaluation mode
(running statistics, no dropout) and in fp32, since a bf16 weight cannot represent a change by eps. b never falls below
b_min. b stays as it is on a tie, or if no change of a weight changes the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.errors import ConfigError
from snnbench.modules import evaluated
from snnbench.rules.base import Loss
from snnbench.rules.bptt import BPTT
from snnbench.surrogates.dspike import Dspike


class TemperatureSearch(BPTT):
    """BPTT that may raise or lower the temperature b of all Dspike surrogates at the start of each epoch.

    b is a buffer of the surrogate, so every checkpoint contains it; metrics.csv shows it as `surrogate_b`.

    Args:
        db: The amount by which the temperature b is raised or lowered; 0 keeps b, which is plain BPTT.
        eps: The amount by which a weight is changed in both directions to measure the gradient.
        b_min: The smallest temperature b that is tried.
        weights: The number of weights of the first layer that are changed, chosen by the run's seed; null takes all.
        samples: The number of samples of the batch that the search uses; null takes all.
    """

    requires = {  # noqa: RUF012
        "temperature": "the rule chooses a temperature at each epoch and this surrogate has none; "
        "use surrogate=dspike, or rule=bptt",
    }

    def __init__(
        self,
        db: Annotated[float, ">= 0"] = 0.2,
        eps: Annotated[float, "> 0"] = 0.01,
        b_min: Annotated[float, "> 0"] = 0.2,
        weights: Annotated[int, ">= 1"] | None = None,
        samples: Annotated[int, ">= 1"] | None = None,
    ):
        self.db, self.eps, self.b_min, self.weights = db, eps, b_min, weights
        self.previewed = 0 if db == 0 else samples

    def prepare(self, model: nn.Module) -> None:
        """Choose the weights to change.

        Raises:
            ConfigError: The model has no Dspike surrogate, or its b lies below b_min.
        """
        surrogates = temperatures(model)
        if not surrogates:
            raise ConfigError("rule=dspike needs neurons with surrogate=dspike; use that, or rule=bptt")
        if (b := surrogates[0].temperature()) < self.b_min:
            raise ConfigError(f"surrogate.b={b:g} must not lie below rule.b_min={self.b_min:g}; lower rule.b_min")
        count = first_weight(model).numel()
        generator = torch.Generator("cpu").manual_seed(torch.initial_seed())  # leaves the run's own generator as it is
        chosen = torch.randperm(count, generator=generator, device="cpu")[: self.weights]
        self.positions = chosen.sort().values

    def before_epoch(self, model: nn.Module, x_seq: Tensor, loss_of: Callable[[Tensor], Loss]) -> bool:
        surrogates, weight = temperatures(model), first_weight(model)
        positions = self.positions.to(weight.device)
        tried = candidates(surrogates[0].temperature(), self.db, self.b_min)

        def loss() -> Tensor:
            return loss_of(model(x_seq))[0]

        similarities = []
        with evaluated(model), torch.autocast(x_seq.device.type, enabled=False):
            measured = over_ranks(finite_differences(weight, positions, self.eps, loss))
            for b in tried:
                set_temperature(surrogates, b)
                (gradient,) = torch.autograd.grad(loss(), weight)
                found = over_ranks(gradient.flatten()[positions].double())
                similarities.append(F.cosine_similarity(found, measured, dim=0))
        chosen = best(tried, torch.stack(similarities).tolist())
        set_temperature(surrogates, chosen)
        return chosen != tried[0]

    def reported(self, model: nn.Module) -> dict[str, float]:
        return {"surrogate_b": temperatures(model)[0].temperature()}


def candidates(b: float, db: float, b_min: float) -> list[float]:
    """The three temperatures to compare, the current one first; only that one if db = 0."""
    return [b] if db == 0 else [b, b + db, max(b - db, b_min)]


def best(tried: list[float], similarities: list[float]) -> float:
    """The temperature with the largest similarity; the first one among equals, or if similarities are NaN."""
    index = 0
    for i, similarity in enumerate(similarities):
        if similarity > similarities[index]:
            index = i
    return tried[index]


@torch.no_grad()
def finite_differences(weight: Tensor, positions: Tensor, eps: float, loss: Callable[[], Tensor]) -> Tensor:
    """The central difference of `loss()` for each of P weights, double `[P]`; `weight` is restored.

    Args:
        weight: The tensor that `loss` reads; it is changed in place.
        positions: The flat indices of the weights, int64 `[P]`.
        eps: The amount by which a weight is changed in both directions.
        loss: Computes the loss with the current weights.
    """
    before, found = weight.clone(), []
    places = zip(*(axis.tolist() for axis in torch.unravel_index(positions, weight.shape)))
    try:
        for place in places:
            probe, start = weight.data[place], before[place]
            probe.copy_(start + eps)
            up = loss().double()
            probe.copy_(start - eps)
            found.append((up - loss().double()) / (2 * eps))
            probe.copy_(start)
    finally:
        weight.data.copy_(before)
    return torch.stack(found)


def temperatures(model: nn.Module) -> list[Dspike]:
    """All Dspike surrogates of a model, each once although neurons share them."""
    return [module for module in model.modules() if isinstance(module, Dspike)]


def set_temperature(surrogates: list[Dspike], b: float) -> None:
    for surrogate in surrogates:
        surrogate.b.fill_(b)


def first_weight(model: nn.Module) -> Tensor:
    """The weights of the first synapse."""
    return model.synapses()[0].weight


def over_ranks(gradient: Tensor) -> Tensor:
    """The mean over all processes, which have different parts of the batch and must choose the same b."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(gradient)
        gradient /= dist.get_world_size()
    return gradient
