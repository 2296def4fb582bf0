"""SuperSpike: the online three-factor rule (Zenke & Ganguli, Neural Computation 30(6), 2018, arXiv:1705.11146).

With psp_j the postsynaptic potential of input j, k a causal kernel and e = target - output spikes:

    dw_ij = sum_t (k * [sigma'(U_i) psp_j])[t] (k * e_i)[t],      e_i of a hidden unit = sum_k B_ik e_k

The first factor is an eligibility trace for every synapse and sample, [N, out, in] in memory. Since k is one linear
filter, the sum equals

    dw_ij = sum_s sigma'(U_i[s]) psp_j[s] g_i[s],      g = k^T * (k * e) = -dL/dS_out,

L the van Rossum loss: exactly what the recursion has accumulated when the sequence ends (up to rounding), at the memory
of the units' spikes and potentials, and for any other loss of output spikes too. So the units run forward without a
graph, g comes from the objective, and each layer's gradient is one matrix product. This needs the whole sequence: it is
the online rule's sum, not its schedule; weights change once a batch (released code: every 0.5 s within a stimulus).

Differs from fzenke/pub2018superspike @9bd0c41: no extra factor b in sigma', no cut of small psp and errors, no
heterosynaptic regularisation, no feedback delay (not even its one step from output to hidden units). The reset is no
part of psp, as there. With more than one hidden layer symmetric feedback is the product of the transposed weights from
the output down, as there; random and uniform feedback goes from the output to every hidden layer directly.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.models.layers import Flatten
from snnbench.models.parts import Unit
from snnbench.neurons.cuba_lif import CubaLIF
from snnbench.rules.base import Batch, Outcome, Rule
from snnbench.synapses.base import Linear, Synapse
from snnbench.temporal import full_precision

FEEDBACK = "superspike_feedback"


class SuperSpike(Rule):
    """One pass forward without a graph, one matrix product a layer, one optimiser step a batch.

    Args:
        feedback: how output errors reach hidden units: through the transposed forward weights, through fixed random
            weights N(0, 1) (buffers of the model, so a resumed run is the same run), or all alike.
    """

    traits = ("three_factor",)
    requires = {  # noqa: RUF012
        "synaptic_current": "the eligibility traces need a neuron with a linear postsynaptic potential; "
        "use neuron=cuba_lif",
        "spike_output": "the rule sends back errors of output spikes; use model=cuba_mlp",
    }
    rejects = {  # noqa: RUF012
        "batch_statistics": "the eligibility of a synapse knows no norm between it and its neuron; use norm=none",
        "weight_standardised": "the rule changes the weights that meet the spikes; use synapse=plain",
        "synapse_filter": "the neuron's own synaptic current is the filter of the input; use synapse=plain",
        "delays": "the postsynaptic potential has no learnable delay; use synapse=plain",
    }

    def __init__(self, feedback: Literal["symmetric", "random", "uniform"] = "symmetric"):
        self.feedback = feedback

    def prepare(self, model: nn.Module) -> None:
        """Draw the random feedback weights.

        Raises:
            ConfigError: the model is no chain of linear units with spiking output.
        """
        units = chain_of(model)
        if self.feedback == "random":
            for index, unit in enumerate(units[:-1]):
                weights = torch.randn(units[-1].synapse.out_features, unit.synapse.out_features)
                model.register_buffer(f"{FEEDBACK}_{index}", weights)

    def train_batch(self, model: nn.Module, batch: Batch) -> Outcome:
        if dist.is_initialized() and dist.get_world_size() > 1:
            raise ConfigError("rule=superspike makes its gradients within one process; set train.devices=1")
        units, x_seq = model.units(), batch.x_seq
        with torch.no_grad():
            inputs, potentials, logits = run_chain(units, x_seq)
        with torch.enable_grad():
            loss, parts = batch.loss_of(logits.requires_grad_())
            (slope,) = torch.autograd.grad(loss, logits)
        batch.zero_grad()
        with torch.no_grad(), torch.autocast(x_seq.device.type, enabled=False):
            for unit, x, u, error in zip(units, inputs, potentials, self.errors(model, full_precision(-slope))):
                learning = unit.neuron.surrogate.derivative(u - unit.neuron.v_th) * error
                unit.synapse.weight.grad = -three_factors(learning, unit.neuron.response(x))
                if unit.synapse.bias is not None:
                    always = unit.neuron.response(torch.ones_like(x[:, :1, :1]))
                    unit.synapse.bias.grad = -three_factors(learning, always.expand(-1, x.shape[1], -1)).squeeze(1)
        batch.optimizer_step()
        return logits.detach(), loss.detach(), {name: part.detach() for name, part in parts.items()}

    def errors(self, model: nn.Module, output: Tensor) -> list[Tensor]:
        """The error of every layer `[T, N, C]`, first layer first, from the output's `[T, N, K]`."""
        units = model.units()
        errors = [output]
        for index in reversed(range(len(units) - 1)):
            if self.feedback == "symmetric":
                errors.append(errors[-1] @ units[index + 1].synapse.weight.to(output.dtype))
            elif self.feedback == "random":
                errors.append(output @ getattr(model, f"{FEEDBACK}_{index}").to(output.dtype))
            else:
                errors.append(output.sum(2, keepdim=True).expand(-1, -1, units[index].synapse.out_features))
        return errors[::-1]


def run_chain(units: list[Unit], x_seq: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """(each unit's input spikes, each unit's potentials, output spikes), `[T, N, C]` each."""
    x, inputs, potentials = x_seq.flatten(2), [], []
    for unit in units:
        inputs.append(x)
        x, u = unit.neuron.potentials(unit.synapse(x))
        potentials.append(u)
    return inputs, potentials, x


def three_factors(learning: Tensor, psp: Tensor) -> Tensor:
    """sum_{s, n} learning[s, n, i] psp[s, n, j]: `[T, N, out]`, `[T, N, in]` -> `[out, in]`."""
    return learning.flatten(0, 1).T @ psp.flatten(0, 1).to(learning.dtype)


def chain_of(model: nn.Module) -> list[Unit]:
    """The model's units; ConfigError unless it is flatten and linear -> current-based neuron, one after the other."""
    units = [module for module in model.modules() if isinstance(module, Unit)]
    linear = all(
        type(u.synapse) is Linear and isinstance(u.norm, nn.Identity) and not u.extras()
        and isinstance(u.neuron, CubaLIF) and u.neuron.amplitude == 1
        for u in units
    )  # fmt: skip
    known = (Synapse, CubaLIF, Flatten, nn.Identity)
    surrogates = {id(unit.neuron.surrogate) for unit in units}
    leaves = [m for m in model.modules() if not list(m.children()) and id(m) not in surrogates]
    alone = sum(isinstance(m, Synapse) for m in model.modules()) == len(units)
    if not units or not linear or not alone or not all(isinstance(m, known) for m in leaves):
        raise ConfigError(
            f"rule=superspike needs a chain of linear layers, each followed by neuron=cuba_lif with amplitude 1, the "
            f"output's too, and {type(model).__name__} is not one; use model=cuba_mlp, or rule=bptt"
        )
    return units
