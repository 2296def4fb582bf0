"""Synapses whose weight gradient uses a presynaptic trace: the mechanics of OTTT (Xiao et al., NeurIPS 2022).

    y_t = W x_t + b;    a_t = lam a_{t-1} + x_t;    dL/dW = sum_t g_t a_t^T,   dL/dx_t = W^T g_t,   dL/db = sum_t g_t

where g_t = dL_t/dy_t of the same step's loss. The released code runs every synapse twice a step (value from the spike,
graph from the trace); one autograd function that saves the trace and the weight gives the same gradient in one pass.
Linear layers between neuron and synapse (average pooling, the spike amplitude) commute with the trace, so the trace of
what enters the synapse is the pooled trace of the code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from snnbench.synapses.base import Synapse
from snnbench.temporal import active_states, full_precision


class _TracedContraction(torch.autograd.Function):
    """Forward as `synapse.contract(x, weight, bias)`; in backward the trace stands where x stood.

    Gradients are made in the output's dtype; autograd casts them to the dtypes of x, weight and bias.
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
    """Set as `synapse.mechanics`, one object a synapse: inside a walk the weight gradient uses the trace of the input.

    The trace `[N, *]` (at least fp32) lives in the walk's states, so memory does not depend on T. Outside a walk the
    synapse is its plain self.

    Args:
        leak: lam, what is left of the trace after one step; equal to the leak of the neurons.
    """

    def __init__(self, leak: float):
        self.leak = leak

    def __call__(self, synapse: Synapse, x_seq: Tensor) -> Tensor:
        states = active_states()
        if states is None:
            return synapse.instantaneous(x_seq)
        weight = synapse.effective_weight()

        def step(x_t: Tensor, trace: Tensor) -> tuple[Tensor, Tensor]:
            trace = torch.add(x_t.detach(), trace, alpha=self.leak)  # in the trace's precision, without a copy of x
            return _TracedContraction.apply(x_t, trace, weight, synapse.bias, synapse), trace

        return states.walk(self, x_seq, self.initial_state, step)

    @staticmethod
    def initial_state(x_t: Tensor) -> Tensor:
        """An empty trace for inputs `[N, *]`."""
        return torch.zeros_like(full_precision(x_t), requires_grad=False)
