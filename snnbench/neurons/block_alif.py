"""Block-parallel adaptive LIF, "Blocks" (Taylor, King, Harper, NeurIPS 2023, OpenReview Ht79ZTVMsn).

A neuron that rests d steps after a spike fires at most once in a block of L = d + 1 steps, so a block needs no loop:

    v~[t] = sum_{k<=t} beta^(t-k) I[k] (+ beta^(t+1) v_init),  no reset;   theta[t] = v_th + b a_0 p^t, t = 1..L
    f[t] = Theta(v~[t] - theta[t]);   z[t] = sum_{k<=t} (t - k + 1) f[k];   s[t] = 1 iff z[t] = 1

Next block, where this one spiked: inputs before the spike's offset (z < 1) are zeroed, v_init = 0, and
a_0 = (a_0 p^t* + 1/p) p^n with t* the spike's place and n = #{z > 1}; else v_init = v~[L], a_0 <- a_0 p^L.

Spikes are those of `ALIF`, gradients are not: s takes z's gradient unchanged (straight-through), so every faulty spike
before t receives the gradient of s[t], weighted by the ramp; norms grow with L. Spikes inside masks and adaptation are
detached. Sequences shorter than a multiple of L end in a shorter block (released code pads).
"""

from __future__ import annotations

import torch
from torch import Tensor

from snnbench.kernels.adaptive.form import BLOCK_STEPS, AdaptiveForm
from snnbench.kernels.common.form import Refusal, overridden
from snnbench.neurons.alif import ALIF
from snnbench.temporal import full_precision

# what the kernels write out: a neuron that overrides one of them runs as plain PyTorch
_KERNEL_DOES = ("sequence", "emit", "ranged", "coefficients", "_carry")


def decaying_sum(x: Tensor, beta: Tensor) -> Tensor:
    """v[t] = sum_{k<=t} beta^(t-k) x[k] along the first axis by doubling: log2(L) passes, each over the whole block.

    Elementwise, so it is exact under TF32 and autocast, where a matrix product would be rounded.
    """
    reach = 1
    while reach < x.shape[0]:
        x = torch.cat([x[:reach], x[reach:] + beta * x[:-reach]])
        beta, reach = beta.square(), 2 * reach
    return x


class BlockALIF(ALIF):
    """`[T, N, C, *]` currents -> spikes in ceil(T / (latency + 1)) blocks; arguments and parameters are ALIF's.

    A walk step by step is ALIF's: the same spikes, ALIF's gradient. `detach_reset=False` lets the adaptation's spikes
    carry gradients; here the reset itself has none.
    """

    def kernel_form(self) -> AdaptiveForm | Refusal:
        length = self.latency + 1
        if length > BLOCK_STEPS:
            return Refusal(f"a block of {length} steps is longer than the {BLOCK_STEPS} that the kernels unroll")
        return overridden(self, BlockALIF, *_KERNEL_DOES) or self.adaptive_form(length)

    def sequence(self, x_seq: Tensor) -> Tensor:
        beta, p, b = self.coefficients(x_seq[0])
        length, outputs, carry = self.latency + 1, [], None
        places = torch.arange(1, length + 1, device=x_seq.device, dtype=p.dtype).view(-1, *[1] * (x_seq.ndim - 1))
        decay = p.pow(places)  # [L, 1 (N), C, 1...] after broadcasting
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
        """For the next block: inputs to silence `[L, N, C, *]`, its v_init and a_0 `[N, C, *]`."""
        spiked = first.any(0)
        silent, v_init = (z < 1) & spiked, v[-1].masked_fill(spiked, 0)
        after_spike = p.pow((z > 1).sum(0).to(p.dtype)) / p
        if adaptation is None:
            return silent, v_init, after_spike * spiked
        at_spike = (adaptation * (spikes.detach() if self.detach_reset else spikes)).sum(0)
        return silent, v_init, torch.where(spiked, (at_spike * p + 1) * after_spike, adaptation[-1])
