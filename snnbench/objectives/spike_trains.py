"""The base class of losses on output spike trains, which makes the target trains."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from snnbench.errors import ConfigError
from snnbench.objectives.base import Objective, as_probabilities


class SpikeTrainLoss(Objective):
    """Takes `(spikes [T, N, K], target)`; the target is class `[N]`, probabilities `[N, K]` or trains `[N, T, K]`.

    For a class label, the target train of that class has a spike every `period` steps from step `first` on, and the
    other trains are zero. Probabilities scale the train of each class.

    Args:
        first: The step of the first target spike of the right class.
        period: The number of steps from one target spike to the next.
    """

    traits = ("spike_train_loss",)
    requires = {  # noqa: RUF012
        "spike_output": "a distance between spike trains needs a model whose output neurons spike; "
        "use model=cuba_mlp or model=slayer_mlp, or a loss on rates such as objective=mean_ce",
    }

    def __init__(self, first: Annotated[int, ">= 0"] = 2, period: Annotated[int, ">= 1"] = 10):
        super().__init__()
        self.first, self.period = first, period

    def check_length(self, time_steps: int) -> None:
        if self.first >= time_steps:
            raise ConfigError(
                f"objective.first={self.first} leaves no target spike within T={time_steps}; lower it or raise T."
            )

    def target_trains(self, target: Tensor, spikes: Tensor) -> Tensor:
        """The target trains `[T, N, K]` in the dtype of `spikes` `[T, N, K]`."""
        if target.ndim == 3:
            trains = target.transpose(0, 1).to(spikes.dtype)
            if trains.shape != spikes.shape:
                raise ConfigError(
                    f"target spike trains [N, T, K] = {list(target.shape)} do not fit T={len(spikes)} steps of "
                    f"{spikes.shape[2]} outputs; set T or the data's trains accordingly."
                )
            return trains
        self.check_length(len(spikes))
        wanted = torch.zeros(len(spikes), 1, 1, dtype=spikes.dtype, device=spikes.device)
        wanted[self.first :: self.period] = 1
        return wanted * as_probabilities(target, spikes)
