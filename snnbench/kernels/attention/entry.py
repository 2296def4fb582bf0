"""Attention of spikes by a kernel. It returns None where no kernel runs; the caller then uses PyTorch's products."""

from __future__ import annotations

from torch import Tensor

from snnbench.kernels.common.mode import ready


def spike_attention(q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float) -> Tensor | None:
    """scale * Q (K^T V) of each head of tokens `[T, N, C, L]` whose channels lie last in memory."""
    if not ready(q):
        return None
    from snnbench.kernels.attention import kernels

    tokens = [x.transpose(2, 3).flatten(0, 1) for x in (q, k, v)]
    if not kernels.fits(*tokens, heads):
        return None
    return kernels.SpikeAttention.apply(*tokens, heads, scale).unflatten(0, q.shape[:2]).transpose(2, 3)
