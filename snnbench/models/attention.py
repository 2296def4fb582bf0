"""Spiking attention over tokens `[T, N, C, L]` and the token MLP, of which Spikformer and QKFormer consist.

* `SpikingSelfAttention` (Zhou et al., Spikformer, ICLR 2023, eq. 6-9): out = unit(SN_0.5(scale * Q K^T V)), no softmax.
  Q, K, V are binary, so (Q K^T) V = Q (K^T V) exactly and the cheaper order is taken.
* `QKTokenAttention` (Zhou et al., QKFormer, NeurIPS 2024, eq. 6-8): a = SN_0.5(sum of q over a head's channels) is a
  binary mask of tokens, out = unit(a * K). Linear in L, no V, no scale.

The official QKFormer calls the last neuron of SSA on `[T*N, C, L]`, so its membrane carries over from one sample to the
next. This bug is not reproduced here.
"""

from __future__ import annotations

from torch import Tensor, nn

from snnbench.kernels.attention.entry import spike_attention
from snnbench.kernels.common.mode import hooked
from snnbench.models.base import require
from snnbench.models.layers import SpikeMatmul, SpikeProduct
from snnbench.models.parts import Parts


def check_heads(model: str, dim: int, heads: int) -> None:
    """Raise ConfigError unless `heads` divides `dim`."""
    require(dim % heads == 0, f"{model}: model.heads={heads} must divide its width {dim}; take a divisor of {dim}.")


def _split(x_seq: Tensor, heads: int) -> Tensor:
    """`[T, N, C, L] -> [T, N, h, C/h, L]`, a view."""
    return x_seq.unflatten(2, (heads, -1))


class SpikingSelfAttention(nn.Module):
    """SSA over binary or integer tokens, `[T, N, C, L] -> [T, N, C, L]` spikes.

    Args:
        dim, heads: C and the number of heads h (h divides C).
        scale: The factor of Q K^T V before its neuron (0.125; 0.25 for Spikformer on CIFAR10-DVS).
        attn_v_th: The threshold of that neuron.
        qkv_bias: True gives the q, k and v projections a bias; the output projection always has one.
    """

    def __init__(self, parts: Parts, dim: int, heads: int, scale: float, attn_v_th: float, qkv_bias: bool):
        super().__init__()
        self.heads, self.scale = heads, scale
        self.q = parts.unit(dim, dim, 1, dims=1, bias=qkv_bias)
        self.k = parts.unit(dim, dim, 1, dims=1, bias=qkv_bias)
        self.v = parts.unit(dim, dim, 1, dims=1, bias=qkv_bias)
        self.first_product, self.second_product = SpikeMatmul(), SpikeMatmul()
        self.neuron = parts.neuron(dim, v_th=attn_v_th)
        self.projection = parts.unit(dim, dim, 1, dims=1, bias=True)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """scale * Q K^T V of tokens `[T, N, C, L]`, by one kernel or in the cheaper order of the two products."""
        products = (self.first_product, self.second_product)
        if not any(map(hooked, products)):
            current = spike_attention(q, k, v, self.heads, self.scale)
            if current is not None:
                return current
        q, k, v = (_split(x, self.heads) for x in (q, k, v))
        head_dim, length = q.shape[-2:]
        if head_dim <= length:
            current = self.second_product(self.first_product(v, k.transpose(-2, -1)), q)
        else:
            current = self.second_product(v, self.first_product(k.transpose(-2, -1), q))
        return current.flatten(2, 3) * self.scale

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.projection(self.neuron(self.attend(self.q(x_seq), self.k(x_seq), self.v(x_seq))))


class QKTokenAttention(nn.Module):
    """QKTA over binary or integer tokens, `[T, N, C, L] -> [T, N, C, L]` spikes.

    Args:
        dim, heads: C and the number of heads h (h divides C); each head masks tokens for its own channels.
        attn_v_th: The threshold of the mask's neuron.
    """

    def __init__(self, parts: Parts, dim: int, heads: int, attn_v_th: float):
        super().__init__()
        self.heads = heads
        self.q = parts.unit(dim, dim, 1, dims=1)
        self.k = parts.unit(dim, dim, 1, dims=1)
        self.neuron = parts.neuron(heads, v_th=attn_v_th)
        self.mask = SpikeProduct()
        self.projection = parts.unit(dim, dim, 1, dims=1, bias=True)

    def forward(self, x_seq: Tensor) -> Tensor:
        q, k = _split(self.q(x_seq), self.heads), _split(self.k(x_seq), self.heads)
        attended = self.neuron(q.sum(3, keepdim=True))  # [T, N, h, 1, L]
        return self.projection(self.mask(attended, k).flatten(2, 3))


class TokenMLP(nn.Module):
    """Two 1x1 units with bias, dim -> ratio * dim -> dim, over `[T, N, C, L]`."""

    def __init__(self, parts: Parts, dim: int, ratio: float):
        super().__init__()
        hidden = int(dim * ratio)
        require(hidden >= 1, f"model.mlp_ratio={ratio} leaves the MLP no neurons beside {dim} channels; raise it.")
        self.expand = parts.unit(dim, hidden, 1, dims=1, bias=True)
        self.reduce = parts.unit(hidden, dim, 1, dims=1, bias=True)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.reduce(self.expand(x_seq))


class TokenBlock(nn.Module):
    """x + attention(x), then x + mlp(x). The sums of spikes are small integers."""

    def __init__(self, attention: nn.Module, mlp: nn.Module):
        super().__init__()
        self.attention, self.mlp = attention, mlp

    def forward(self, x_seq: Tensor) -> Tensor:
        x_seq = x_seq + self.attention(x_seq)
        return x_seq + self.mlp(x_seq)
