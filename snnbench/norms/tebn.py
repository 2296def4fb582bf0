"""Temporal effective batch normalisation (Duan, Ding, Chen, Yu, Huang, NeurIPS 2022, OpenReview fLIgyyQiJqz).

    y[t] = p[t] * (gamma_c * xhat[t] + beta_c),     xhat = (x - mu_c) / sqrt(var_c + eps) over (T, N, space)

Each layer has one trained number p[t] for each time step, which starts at 1. The paper writes gamma p[t] and beta p[t]
as gain and shift of step t. The code of PSN (made from the authors' supplement), SpikingJelly and the survey multiplies
the output of a batch norm by p, which is the same. PSN's code fixes T = 10; here T is the model's, and a sequence of
another length is refused. As there, weight decay acts on p.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.kernels.common.form import NormForm, Refusal, unstated
from snnbench.norms.batch_norm import BatchNorm
from snnbench.site import Site
from snnbench.temporal import active_states, over_time


class TEBN(BatchNorm):
    """`[T, N, C, *] -> [T, N, C, *]`; parameters of `BatchNorm` and `p` `[T]`.

    A static sequence is normalised once, then scaled step by step.

    Args:
        site: The layer's place in the network, with its channels and T. The program passes it.

    Raises:
        ConfigError: The sequence has another T than the norm was built for.
    """

    def __init__(
        self,
        site: Site,
        eps: Annotated[float, "> 0"] = 1e-5,
        momentum: Annotated[float, "in [0, 1]"] = 0.1,
        sync: bool = False,
    ):
        super().__init__(site, eps, momentum, sync)
        self.p = nn.Parameter(torch.ones(site.time_steps))

    def learnt(self) -> dict[str, Tensor]:
        """p, the scale of each time step."""
        return {"p": self.p}

    def kernel_form(self) -> NormForm | Refusal:
        """The form of `BatchNorm` with p added; the kernels multiply by p in fp32, also for half inputs."""
        form = unstated(self, "forward") or super().kernel_form()
        return form if isinstance(form, Refusal) else replace(form, steps=self.p)

    def forward(self, x_seq: Tensor) -> Tensor:
        states = active_states()
        if states is not None:
            return states.walk(self, x_seq, lambda x_t: 0, self.step)
        self._check_length(x_seq.shape[0], x_seq.shape[0] == len(self.p))
        y_seq = over_time(self.normalise, x_seq)
        return y_seq * self.p.to(y_seq.dtype).view(-1, *[1] * (y_seq.ndim - 1))

    def step(self, x_t: Tensor, t: int) -> tuple[Tensor, int]:
        """Step t of a walk: the output `[N, C, *]` and t + 1."""
        self._check_length(t + 1, t < len(self.p))
        y_t = self.normalise(x_t)
        return y_t * self.p[t].to(y_t.dtype), t + 1

    def _check_length(self, time_steps: int, fits: bool) -> None:
        if not fits:
            raise ConfigError(
                f"norm=tebn was built for T={len(self.p)} and got {time_steps} steps: it has one scale a time step; "
                f"set T={time_steps}, or use norm=bn which takes any T"
            )
