"""S4NN: backpropagation of firing times in closed form (Kheradpisheh & Masquelier, IJNS 2020, arXiv:1910.09495).

The rule sets dt/dV = -1, and dV_j/dt_i = -w_ji for an input i that fires before j. With T_o the target time of an
output and delta_o = (T_o - t_o) / T its error:

    w_oj -= lr delta_o [t_j < t_o];      delta_j = sum_o delta_o [t_j < t_o] w_oj;      w_ji -= lr delta_j [t_i < t_j].

The delta of each sample is divided by its L2 norm in every layer. As in the official code (SRKH/S4NN @4e7a86f), the
optimiser steps once for each layer, from the last to the first, and the error for the layer below is computed with the
new weights. The official weight decay, w -= lr lambda w, comes after the update; the optimiser's weight_decay comes
before it, which differs by lr^2 lambda (1e-8). The published algorithm takes one sample at a time; larger batches take
the mean over the samples.

Hidden neurons that fire for fewer than 0.1 % of `revive_every` samples get new random weights at the next training
batch, hence after the epoch's evaluation, as in the official code. The counts are buffers of the model, so a resumed
run gives the same result.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.neurons.first_spike import first_spike_times
from snnbench.objectives.taps import Taps
from snnbench.rules.base import Batch, Outcome, Rule
from snnbench.synapses.base import Linear

SEEN, FIRED = "s4nn_samples", "s4nn_fired"


class S4NN(Rule):
    """One forward pass, gradients in closed form, and one optimiser step for each layer, from the last to the first.

    Args:
        revive_every: The number of samples after which silent hidden neurons get new weights (an epoch of MNIST has
            60000); null never does so.
        revive_below: The share of these samples below which a hidden neuron counts as silent.
    """

    traits = ("spike_time_rule", "one_process")  # the error of a layer needs the updated weights of the layer above
    requires = {  # noqa: RUF012
        "spike_time_loss": "the rule backpropagates errors of firing times, not of rates; use objective=target_time",
        "first_spike_times": "the rule needs layers of neurons that fire once; use model=s4nn_mlp, or rule=bptt",
    }
    rejects = {  # noqa: RUF012
        "batch_statistics": "the rule takes firing times of single samples, without batch statistics; use norm=none",
        "weight_standardised": "the closed form is the gradient of the weights themselves; use synapse=plain",
    }

    def __init__(
        self,
        revive_every: Annotated[int, ">= 1"] | None = None,
        revive_below: Annotated[float, "in [0, 1]"] = 0.001,
    ):
        self.revive_every, self.revive_below = revive_every, revive_below

    def prepare(self, model: nn.Module) -> None:
        """Add buffers that count the spikes of hidden neurons.

        Raises:
            ConfigError: The model is no chain of plain linear layers without bias, each followed by a neuron.
        """
        synapses, neurons = model.synapses(), model.neurons()
        plain = all(type(s) is Linear and s.bias is None for s in synapses)
        if not plain or len(synapses) != len(neurons):
            raise ConfigError(
                "rule=s4nn needs linear layers without bias, each followed by a neuron; use model=s4nn_mlp"
            )
        model.register_buffer(SEEN, torch.zeros((), dtype=torch.int64))
        for index, synapse in enumerate(synapses[:-1]):
            model.register_buffer(f"{FIRED}_{index}", torch.zeros(len(synapse.weight), dtype=torch.int64))

    def train_batch(self, model: nn.Module, batch: Batch) -> Outcome:
        self._revive(model)
        x_seq = batch.x_seq
        logits, times = run_times(model, x_seq)
        with torch.enable_grad():
            loss, parts = batch.loss_of(logits.requires_grad_())
            (error,) = torch.autograd.grad(loss, logits)
        delta = error.mean(0)  # dL/dlogits is -dL/dt_o at every step
        synapses = model.synapses()
        with torch.no_grad():
            self._count(model, times[1:-1], x_seq)
            for index in reversed(range(len(synapses))):
                weight = synapses[index].weight
                delta = unit_length(delta)
                before = (times[index].unsqueeze(1) < times[index + 1].unsqueeze(2)).to(weight.dtype)  # [N, out, in]
                batch.zero_grad()
                weight.grad = torch.einsum("no,noi->oi", delta, before) / len(delta)
                batch.optimizer_step()
                delta = torch.einsum("no,noi,oi->ni", delta, before, weight)
            batch.zero_grad()
        return logits.detach(), loss.detach(), parts

    def _count(self, model: nn.Module, hidden_times: list[Tensor], x_seq: Tensor) -> None:
        if self.revive_every is None:
            return
        getattr(model, SEEN).add_(x_seq.shape[1])
        for index, times in enumerate(hidden_times):
            getattr(model, f"{FIRED}_{index}").add_((times < len(x_seq)).sum(0))

    @torch.no_grad()
    def _revive(self, model: nn.Module) -> None:
        """After `revive_every` samples, give silent hidden neurons new weights and start counting again."""
        seen = getattr(model, SEEN)
        if self.revive_every is None or seen < self.revive_every:
            return
        for index, synapse in enumerate(model.synapses()[:-1]):
            fired = getattr(model, f"{FIRED}_{index}")
            dead = fired < self.revive_below * seen
            synapse.weight[dead] = model.fresh_weights(index)[dead]
            fired.zero_()
        seen.zero_()


def run_times(model: nn.Module, x_seq: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits `[T, N, K]`, and firing times of the input and of every layer, int64 `[N, C]`; T for a silent neuron."""
    with torch.no_grad(), Taps(model, list(model.neurons()), ("features",)) as taps:
        logits = model(x_seq)
    trains = taps.values()["features"].values()
    layers = [(first_spike_times(s) + 1).clamp(max=len(x_seq)) for s in trains]  # layers add a delay of one step
    return logits, [first_spike_times(x_seq).flatten(1), *layers]


def unit_length(delta: Tensor) -> Tensor:
    """Divide each row of `[N, C]` by its L2 norm; rows of zeros stay zero."""
    norm = delta.norm(dim=1, keepdim=True)
    return delta / torch.where(norm == 0, 1, norm)
