"""SuperSpike: the online three-factor rule (Zenke & Ganguli, Neural Computation 30(6), 2018, arXiv:1705.11146).

With psp_j the postsynaptic potential of input j, k a causal kernel and e = target - output spikes:

    dw_ij = sum_t (k * [sigma'(U_i) psp_j])[t] (k * e_i)[t],      e_i of a hidden unit = sum_k B_ik e_k

The first factor is an eligibility trace for every synapse and sample, which would take [N, out, in] in memory. Since k
is a linear filter, the sum equals

    dw_ij = sum_s sigma'(U_i[s]) psp_j[s] g_i[s],      g = k^T * (k * e) = -dL/dS_out,

where L is the van Rossum loss. Up to rounding, this is the sum that the online rule has accumulated at the end of the
sequence. It needs only the spikes and potentials of the units in memory, and it also holds for any other loss of output
spikes. The units therefore run forward without an autograd graph, the objective gives g, and the backward pass of a
unit is one matrix product. This needs the whole sequence, so the weights change once for each batch; the released code
changes them every 0.5 s within a stimulus.

Other differences from fzenke/pub2018superspike @9bd0c41: sigma' has no extra factor b, small psp and errors are not set
to zero, and there is no heterosynaptic regularisation and no delay of the feedback. As there, psp does not contain the
reset. With several hidden layers, symmetric feedback multiplies by the transposed weights of all layers above, as
there; random and uniform feedback goes from the output to every hidden layer directly.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from snnbench.errors import ConfigError
from snnbench.models.layers import Flatten
from snnbench.models.parts import Unit
from snnbench.neurons.cuba_lif import CubaLIF
from snnbench.rules.bptt import BPTT
from snnbench.synapses.base import Linear, Synapse
from snnbench.temporal import active_states, full_precision

FEEDBACK = "superspike_feedback"


class SuperSpike(BPTT):
    """One forward pass without autograd, one matrix product for each layer, one optimiser step for each batch.

    Args:
        feedback: How output errors reach hidden units: "symmetric" multiplies by the transposed forward weights,
            "random" by fixed weights from N(0, 1), which are buffers of the units, and "uniform" by 1.
    """

    one_step_at_the_end = False  # the neuron's filter is copied from the CPU, which a CUDA graph cannot do

    traits = ("three_factor",)
    requires = {  # noqa: RUF012
        "synaptic_current": "the eligibility traces need a neuron with a linear postsynaptic potential; "
        "use neuron=cuba_lif",
        "spike_output": "the rule sends back errors of output spikes; use model=cuba_mlp",
    }
    rejects = {  # noqa: RUF012
        "batch_statistics": "the eligibility trace allows no norm between a synapse and its neuron; use norm=none",
        "weight_standardised": "the rule computes the gradient of the weights themselves; use synapse=plain",
        "synapse_filter": "the neuron's own synaptic current is the filter of the input; use synapse=plain",
        "delays": "the postsynaptic potential has no learnable delay; use synapse=plain",
    }

    def __init__(self, feedback: Literal["symmetric", "random", "uniform"] = "symmetric"):
        self.feedback = feedback

    def prepare(self, model: nn.Module) -> None:
        """Give every unit the three-factor gradient, and draw the random feedback weights.

        Raises:
            ConfigError: The model is no chain of linear units with spiking output.
        """
        units = chain_of(model)
        mechanics = ThreeFactors(self.feedback, output=units[-1])
        for unit in units:
            unit.mechanics = mechanics
            if self.feedback == "random" and unit is not units[-1]:
                weights = torch.randn(units[-1].synapse.out_features, unit.synapse.out_features)
                unit.register_buffer(FEEDBACK, weights)


class ThreeFactors:
    """The mechanics that all units of a network share: spikes without autograd, and the rule's gradients.

    Where no gradient is wanted, and in a walk step by step, a unit computes as usual. Errors `[T, N, C]` are dL/dS in
    at least fp32.

    Args:
        feedback: The kind of feedback, as in `SuperSpike`.
        output: The last unit. Its error goes to all hidden units directly, unless the feedback is symmetric.
    """

    def __init__(self, feedback: str, output: Unit):
        self.feedback, self.output = feedback, output
        self.output_error: Tensor | None = None  # set by the backward pass of the output, read by those of hidden units

    def __call__(self, unit: Unit, x_seq: Tensor, residual: Tensor | None = None) -> Tensor:
        if residual is not None:
            raise ConfigError("rule=superspike allows no shortcut; use model=cuba_mlp, or rule=bptt")
        if active_states() is not None or not torch.is_grad_enabled():
            return unit.plain(x_seq)
        synapse = unit.synapse
        return _ThreeFactorUnit.apply(x_seq, synapse.weight, synapse.bias, unit, self)

    def error_of(self, unit: Unit, arrived: Tensor) -> Tensor:
        """The error of a unit: the gradient `arrived` of its spikes or, if not symmetric, from the output's error."""
        if self.feedback == "symmetric":
            return arrived
        if unit is self.output:
            self.output_error = arrived
            return arrived
        if self.feedback == "random":
            return self.output_error @ unit.get_buffer(FEEDBACK).to(arrived.dtype)
        return self.output_error.sum(2, keepdim=True).expand(-1, -1, unit.synapse.out_features)

    def sent_down(self, error: Tensor, weight: Tensor) -> Tensor:
        """The gradient for the unit below: the error times the weights, or zeros, which only make autograd call it."""
        if self.feedback == "symmetric":
            return error @ weight.to(error.dtype)
        return error.new_zeros(()).expand(*error.shape[:2], weight.shape[1])


class _ThreeFactorUnit(torch.autograd.Function):
    """Spikes of a linear layer and its current-based neuron, with dL/dw_ij = sum sigma'(U_i) psp_j dL/dS_i."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, unit: Unit, mechanics: ThreeFactors) -> Tensor:
        spikes, potentials = unit.neuron.potentials(unit.synapse(x))
        ctx.save_for_backward(x, potentials, weight)
        ctx.unit, ctx.mechanics = unit, mechanics
        return full_precision(spikes)  # half types would round the errors that come back

    @staticmethod
    @once_differentiable
    def backward(ctx, arrived: Tensor):
        (x, potentials, weight), neuron = ctx.saved_tensors, ctx.unit.neuron
        needs_x, _, needs_bias, *_ = ctx.needs_input_grad
        with torch.autocast(x.device.type, enabled=False):
            error = ctx.mechanics.error_of(ctx.unit, full_precision(arrived))
            learning = neuron.surrogate.derivative(potentials - neuron.v_th) * error
            grad_weight, grad_bias = three_factors(learning, neuron.response(x)), None
            if needs_bias:
                always = neuron.response(torch.ones_like(x[:, :1, :1]))
                grad_bias = three_factors(learning, always.expand(-1, x.shape[1], -1)).squeeze(1)
            grad_x = ctx.mechanics.sent_down(error, weight) if needs_x else None
        return grad_x, grad_weight, grad_bias, None, None


def three_factors(learning: Tensor, psp: Tensor) -> Tensor:
    """sum_{s, n} learning[s, n, i] psp[s, n, j]: `[T, N, out]`, `[T, N, in]` -> `[out, in]`."""
    return learning.flatten(0, 1).T @ psp.flatten(0, 1).to(learning.dtype)


def chain_of(model: nn.Module) -> list[Unit]:
    """The model's units; raises ConfigError unless it is a chain of linear layers, each with a current-based neuron."""
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
