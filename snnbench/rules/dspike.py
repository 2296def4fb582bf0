"""Dspike's choice of the surrogate's temperature, once an epoch (Li et al., NeurIPS 2021; no official code is known).

With one batch, before an epoch e is trained:

    FD_i = (L(w + eps e_i) - L(w - eps e_i)) / (2 eps)            for every weight w_i of the first layer, Heaviside net
    b_e = argmax over b in {b_{e-1}, b_{e-1} + db, b_{e-1} - db} of cos(FD, dL/dw by BPTT with temperature b)

then the epoch is trained by BPTT with b_e, the same in all layers. Two passes forward a weight: 3,456 for 64 filters of
3x3x3. db, eps and the start are not known.

Ours, since the sources say nothing: the batch is the epoch's first; both gradients are taken as in evaluation (running
statistics, no dropout), in fp32 also where training runs in bf16, whose weights have no room for eps; b never falls
below b_min; a tie, or a loss that no probe moves (an untrained deep net whose statistics have not settled), keeps b.
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
    """BPTT that steps the temperature b of all Dspike surrogates up or down at each epoch's start.

    b is a buffer of the surrogate, hence in every checkpoint; metrics.csv shows it as `surrogate_b`.

    Args:
        db: step by which the temperature b is moved; 0 searches nothing, which is BPTT with a fixed surrogate.
        eps: how far a weight is moved to either side (units of weight).
        b_min: smallest temperature b that is tried.
        weights: how many of the first layer's weights are probed, a subset fixed by the run's seed; null: all.
        samples: how many samples of the batch the search takes; null: all.
    """

    requires = {  # noqa: RUF012
        "temperature": "the rule chooses a temperature anew each epoch and this surrogate has none; "
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
        """Choose the weights to probe.

        Raises:
            ConfigError: no Dspike surrogate, or its b lies below b_min.
        """
        surrogates = temperatures(model)
        if not surrogates:
            raise ConfigError("rule=dspike needs neurons with surrogate=dspike; use that, or rule=bptt")
        if (b := surrogates[0].temperature()) < self.b_min:
            raise ConfigError(f"surrogate.b={b:g} must not lie below rule.b_min={self.b_min:g}; lower rule.b_min")
        count = first_weight(model).numel()
        generator = torch.Generator("cpu").manual_seed(torch.initial_seed())  # the run's seed; nothing is drawn from it
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
    """The three temperatures to compare, the present one first; one alone if db = 0."""
    return [b] if db == 0 else [b, b + db, max(b - db, b_min)]


def best(tried: list[float], similarities: list[float]) -> float:
    """The temperature of largest similarity; the first of equals, also where nothing can be compared (NaN)."""
    index = 0
    for i, similarity in enumerate(similarities):
        if similarity > similarities[index]:
            index = i
    return tried[index]


@torch.no_grad()
def finite_differences(weight: Tensor, positions: Tensor, eps: float, loss: Callable[[], Tensor]) -> Tensor:
    """Central differences of `loss()` in single weights, double `[len(positions)]`; `weight` ends up as it was.

    Args:
        weight: the tensor that `loss` reads, moved in place.
        positions: flat indices, int64 `[P]`.
        eps: step to either side.
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
    """All Dspike surrogates of a model, each once (neurons share theirs)."""
    return [module for module in model.modules() if isinstance(module, Dspike)]


def set_temperature(surrogates: list[Dspike], b: float) -> None:
    for surrogate in surrogates:
        surrogate.b.fill_(b)


def first_weight(model: nn.Module) -> Tensor:
    """The weights of the first synapse."""
    return model.synapses()[0].weight


def over_ranks(gradient: Tensor) -> Tensor:
    """The mean over all processes, each of which has its own part of the batch: they must agree on b."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(gradient)
        gradient /= dist.get_world_size()
    return gradient
