"""Block-parallel adaptive LIF, called "Blocks" (Taylor, King, Harper, NeurIPS 2023, OpenReview Ht79ZTVMsn).

A neuron that is refractory for d steps fires at most once in a block of L = d + 1 steps, so all steps of a block can be
computed at once:

    v~[t] = sum_{k<=t} beta^(t-k) I[k] (+ beta^(t+1) v_init),  no reset;   theta[t] = v_th + b a_0 p^t, t = 1..L
    f[t] = Theta(v~[t] - theta[t]);   z[t] = sum_{k<=t} (t - k + 1) f[k];   s[t] = 1 iff z[t] = 1

f is 1 where the potential without reset lies above the threshold; s keeps the first such step t* of a block. After a
block with a spike, the next block has v_init = 0 and a_0 = (a_0 p^t* + 1/p) p^n, n counting the steps with z > 1, and
ignores its input at the steps that had z < 1. After a block without a spike it has v_init = v~[L] and a_0 p^L.

The spikes equal those of `ALIF`; the gradients do not. s takes over the gradient of z (straight-through), so every
f[k] up to t receives the gradient of s[t] times t - k + 1, and gradient norms grow with L. The spikes in masks and
adaptation are detached. The last block of a sequence may be shorter; the released code pads it instead.
"""

import torch
from torch import Tensor

from snnbench.kernels.adaptive.form import BLOCK_STEPS, AdaptiveForm
from snnbench.kernels.common.form import Refusal, overridden
from snnbench.neurons.alif import ALIF
from snnbench.neurons.parameters import over_steps
from snnbench.temporal import full_precision

# the kernels compute these methods: a subclass that overrides one of them runs as plain PyTorch
_KERNEL_DOES = ("sequence", "emit", "ranged", "coefficients", "_carry")


def decaying_sum(x: Tensor, beta: Tensor) -> Tensor:
    """v[t] = sum_{k<=t} beta^(t-k) x[k] along the first axis, in log2(L) passes that each double the steps covered.

    All operations are elementwise, so that TF32 and autocast do not round them like a matrix product.
    """
    covered = 1
    while covered < x.shape[0]:
        x = torch.cat([x[:covered], x[covered:] + beta * x[:-covered]])
        beta, covered = beta.square(), 2 * covered
    return x


class BlockALIF(ALIF):
    """`[T, N, C, *]` currents -> spikes in ceil(T / (latency + 1)) blocks; it has the parameters of `ALIF`.

    A rule that walks step by step gets the same spikes with the gradient of `ALIF`.

    Args:
        detach_reset: False lets a gradient pass through the spikes that raise the adaptation. The reset has none.
    """

    def kernel_form(self) -> AdaptiveForm | Refusal:
        length = self.latency + 1
        if length > BLOCK_STEPS:
            return Refusal(f"a block of {length} steps is longer than the {BLOCK_STEPS} that the kernels unroll")
        return overridden(self, BlockALIF, *_KERNEL_DOES) or self.adaptive_form(length)

    def sequence(self, x_seq: Tensor) -> Tensor:
        beta, p, b = self.coefficients(x_seq[0])
        length, outputs, carry = self.latency + 1, [], None
        steps = torch.arange(1, length + 1, device=x_seq.device, dtype=p.dtype)
        decay = p.pow(over_steps(steps, x_seq))  # [L, 1, C, 1...]
        for x_block in x_seq.split(length):
            current, fade = full_precision(x_block), decay[: len(x_block)]
            if carry is None:
                adaptation, theta = None, torch.full_like(current[0], self.v_th)
            else:
                silent, v_init, a = carry
                current = current.masked_fill(silent[: len(x_block)], 0)
                current = torch.cat([current[:1] + beta * v_init, current[1:]])
                adaptation = a * fade
                theta = self.v_th + b * adaptation
            v = decaying_sum(current, beta)
            z = self.surrogate(v - theta, strict=self.strict).cumsum(0).cumsum(0)
            first = z.detach() == 1
            spikes = z - z.detach().masked_fill(first, 0)  # 1 where z is 1, else 0; the gradient of z
            outputs.append(self.emit(spikes, x_block))
            if len(x_block) == length:
                carry = self._carry(v, z.detach(), first, spikes, adaptation, p)
        return torch.cat(outputs)

    def _carry(self, v: Tensor, z: Tensor, first: Tensor, spikes: Tensor, adaptation: Tensor | None, p: Tensor):
        """What the next block needs: which inputs it ignores `[L, N, C, *]`, v_init and a_0, both `[N, C, *]`."""
        spiked = first.any(0)
        silent, v_init = (z < 1) & spiked, v[-1].masked_fill(spiked, 0)
        after_spike = p.pow((z > 1).sum(0).to(p.dtype)) / p
        if adaptation is None:
            return silent, v_init, after_spike * spiked
        at_spike = (adaptation * (spikes.detach() if self.detach_reset else spikes)).sum(0)
        return silent, v_init, torch.where(spiked, (at_spike * p + 1) * after_spike, adaptation[-1])
