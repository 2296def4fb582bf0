"""Synapses whose weight gradient uses a presynaptic trace: the mechanics of OTTT (Xiao et al., NeurIPS 2022).

    y_t = W x_t + b;    a_t = lam a_{t-1} + x_t;    dL/dW = sum_t g_t a_t^T,   dL/dx_t = W^T g_t,   dL/db = sum_t g_t

g_t = dL_t/dy_t comes from the loss of the same step. The released code runs every synapse twice a step, once on the
spikes for the value and once on the trace for the gradient. Here one autograd function saves the trace and computes
the same gradient in one pass. The code pools the trace of the spikes; the trace of the pooled spikes, used here, is the
same, because average pooling is linear.
"""

from __future__ import annotations

import torch
from torch import Tensor

from snnbench.synapses.base import Synapse
from snnbench.temporal import active_states, full_precision


class _TracedContraction(torch.autograd.Function):
    """`synapse.contract(x, weight, bias)`, whose backward pass uses the trace in place of x.

    Gradients are computed in the dtype of the output; autograd casts them to the dtypes of x, weight and bias.
    """

    @staticmethod
    def forward(ctx, x: Tensor, trace: Tensor, weight: Tensor, bias: Tensor | None, synapse: Synapse) -> Tensor:
        ctx.save_for_backward(trace, weight)
        ctx.synapse = synapse
        return synapse.contract(x, weight, bias)

    @staticmethod
    def backward(ctx, grad_y: Tensor):
        trace, weight = ctx.saved_tensors
        needs_x, _, needs_weight, needs_bias, _ = ctx.needs_input_grad
        with torch.autocast(grad_y.device.type, enabled=False):
            grad_x, grad_weight, grad_bias = ctx.synapse.contract_gradients(
                grad_y, trace.to(grad_y.dtype), weight.to(grad_y.dtype), (needs_x, needs_weight, needs_bias)
            )
        return grad_x, None, grad_weight, grad_bias, None


class TraceMechanics:
    """The `mechanics` of one synapse: in a walk step by step, the weight gradient uses the trace of the input.

    The trace `[N, *]` (at least fp32) is kept with the states of the walk, so memory does not depend on T. Outside of a
    walk the synapse computes as usual.

    Args:
        leak: The share lam of the trace that one step leaves; it must equal the leak of the neurons.
    """

    def __init__(self, leak: float):
        self.leak = leak

    def __call__(self, synapse: Synapse, x_seq: Tensor) -> Tensor:
        states = active_states()
        if states is None:
            return synapse.instantaneous(x_seq)
        weight = synapse.effective_weight()

        def step(x_t: Tensor, trace: Tensor) -> tuple[Tensor, Tensor]:
            trace = torch.add(x_t.detach(), trace, alpha=self.leak)  # in the dtype of the trace, without a copy of x
            return _TracedContraction.apply(x_t, trace, weight, synapse.bias, synapse), trace

        return states.walk(self, x_seq, self.initial_state, step)

    @staticmethod
    def initial_state(x_t: Tensor) -> Tensor:
        """A trace of zeros for inputs `[N, *]`."""
        return torch.zeros_like(full_precision(x_t), requires_grad=False)
