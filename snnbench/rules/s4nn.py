"""S4NN: backpropagation of firing times in closed form (Kheradpisheh & Masquelier, IJNS 2020, arXiv:1910.09495).

With dt/dV := -1 and dV_j/dt_i := -w_ji for an input i that fires before j, and delta = (T - t)/T the output's error:

    w_oj -= lr delta_o [t_j < t_o];      delta_j = sum_o delta_o [t_j < t_o] w_oj;      w_ji -= lr delta_j [t_i < t_j].

Each sample's delta is divided by its L2 norm in every layer. A layer's weights are updated before its error goes on to
the layer below, which therefore sees the new weights (official code SRKH/S4NN @4e7a86f): one optimiser step a layer.
The official decay is w -= lr lambda w after the update; the optimiser's weight_decay acts on the weights before it,
which differs by lr^2 lambda (1e-8). A batch of one sample is the published algorithm; larger batches take the mean.

Hidden neurons that fire for fewer than 0.1 % of `revive_every` samples start again with fresh weights, at the next
training batch: after the epoch's evaluation, as there. Their counts are buffers of the model, so a resumed run is the
same run.
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
    """One pass forward, closed-form gradients, one optimiser step a layer from the last to the first.

    Args:
        revive_every: samples between two looks for dead hidden neurons (an epoch: 60000 for MNIST); null: never.
        revive_below: share of these samples for which a hidden neuron must have fired.
    """

    traits = ("spike_time_rule", "one_process")  # each layer's update precedes the error of the layer below
    requires = {  # noqa: RUF012
        "spike_time_loss": "the rule backpropagates errors of firing times, not of rates; use objective=target_time",
        "first_spike_times": "the rule needs layers of neurons that fire once; use model=s4nn_mlp, or rule=bptt",
    }
    rejects = {  # noqa: RUF012
        "batch_statistics": "firing times of single samples leave no place for batch statistics; use norm=none",
        "weight_standardised": "the closed form is the gradient of the weights themselves; use synapse=plain",
    }

    def __init__(
        self,
        revive_every: Annotated[int, ">= 1"] | None = None,
        revive_below: Annotated[float, "in [0, 1]"] = 0.001,
    ):
        self.revive_every, self.revive_below = revive_every, revive_below

    def prepare(self, model: nn.Module) -> None:
        """Add the counts of hidden spikes.

        Raises:
            ConfigError: not a chain of plain linear layers without bias, each followed by a neuron.
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
        """Once `revive_every` samples were seen: fresh weights for hidden neurons that hardly fired; counts from 0."""
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
    """Logits `[T, N, K]` and the firing times of the input and every layer, int64 `[N, C]` each, T for none."""
    with torch.no_grad(), Taps(model, list(model.neurons()), ("features",)) as taps:
        logits = model(x_seq)
    trains = taps.values()["features"].values()
    layers = [(first_spike_times(s) + 1).clamp(max=len(x_seq)) for s in trains]  # the delay of one step
    return logits, [first_spike_times(x_seq).flatten(1), *layers]


def unit_length(delta: Tensor) -> Tensor:
    """Each row of `[N, C]` divided by its L2 norm; rows of zeros stay."""
    norm = delta.norm(dim=1, keepdim=True)
    return delta / torch.where(norm == 0, 1, norm)
