"""Softmax-free attention of spikes, scale * Q (K^T V), over tokens whose channels lie last: one pass each way.

A program holds one head of one sample: K^T V is a d x d tile that never leaves the chip. Forward moves 4w bytes an
element (q, k, v in, the current out), backward 7w. Batched matrix products would copy the heads out of the channels and
back: six copies a layer, 15 % of Spikformer's step on an H100.

Rounding: products are rounded to the tensors' dtype wherever PyTorch's matrix products would round them. Tiles are
fp32; those of half tensors are multiplied as tf32, which holds every digit of a bf16 or fp16 number. For spikes every
order of multiplication is exact as long as no count exceeds 256 (bf16).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

TOKENS = 64  # rows of a tile
WIDEST_HEAD = 128


@triton.jit
def _tile(first, token, tokens, channels, width, BD: tl.constexpr):
    """(offsets, mask), `[BL, BD]` each, of the tokens `token` of the head that begins at `first`."""
    lane = tl.arange(0, BD)
    at = first + token[:, None] * channels + lane[None, :]
    return at, (token < tokens)[:, None] & (lane < width)[None, :]


@triton.jit
def forward_kernel(
    q_ptr,
    k_ptr,
    v_ptr,
    out_ptr,
    tokens,
    channels,
    width,
    scale,
    BL: tl.constexpr,
    BD: tl.constexpr,
    EXACT: tl.constexpr,
):
    """out = (q (k^T v)) scale for one sample and head."""
    first = tl.cast(tl.program_id(0), tl.int64) * tokens * channels + tl.program_id(1) * width
    kind = q_ptr.dtype.element_ty
    # phase 1: K^T V over all tokens
    kv = tl.zeros((BD, BD), tl.float32)
    for start in range(0, tokens, BL):
        at, mask = _tile(first, start + tl.arange(0, BL), tokens, channels, width, BD)
        k = tl.load(k_ptr + at, mask=mask, other=0.0).to(tl.float32)
        v = tl.load(v_ptr + at, mask=mask, other=0.0).to(tl.float32)
        kv = tl.dot(tl.trans(k), v, kv, input_precision=EXACT)
    # phase 2: Q times it
    for start in range(0, tokens, BL):
        at, mask = _tile(first, start + tl.arange(0, BL), tokens, channels, width, BD)
        q = tl.load(q_ptr + at, mask=mask, other=0.0).to(tl.float32)
        product = tl.dot(q, kv.to(kind).to(tl.float32), input_precision=EXACT).to(kind)
        tl.store(out_ptr + at, (product.to(tl.float32) * scale).to(kind), mask=mask)


@triton.jit
def backward_kernel(
    g_ptr, q_ptr, k_ptr, v_ptr, dq_ptr, dk_ptr, dv_ptr, tokens, channels, width, scale,
    BL: tl.constexpr, BD: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """With g the gradient of out: dq = g (k^T v)^T, dk = v (q^T g)^T, dv = k (q^T g), all times scale."""
    first = tl.cast(tl.program_id(0), tl.int64) * tokens * channels + tl.program_id(1) * width
    kind = q_ptr.dtype.element_ty
    # phase 1: K^T V and Q^T G over all tokens
    kv = tl.zeros((BD, BD), tl.float32)
    qg = tl.zeros((BD, BD), tl.float32)
    for start in range(0, tokens, BL):
        at, mask = _tile(first, start + tl.arange(0, BL), tokens, channels, width, BD)
        k = tl.load(k_ptr + at, mask=mask, other=0.0).to(tl.float32)
        v = tl.load(v_ptr + at, mask=mask, other=0.0).to(tl.float32)
        q = tl.load(q_ptr + at, mask=mask, other=0.0).to(tl.float32)
        g = (tl.load(g_ptr + at, mask=mask, other=0.0).to(tl.float32) * scale).to(kind).to(tl.float32)
        kv = tl.dot(tl.trans(k), v, kv, input_precision=EXACT)
        qg = tl.dot(tl.trans(q), g, qg, input_precision=EXACT)
    # phase 2: the three gradients, from both products rounded as PyTorch would round them
    kv, qg = kv.to(kind).to(tl.float32), qg.to(kind).to(tl.float32)
    for start in range(0, tokens, BL):
        at, mask = _tile(first, start + tl.arange(0, BL), tokens, channels, width, BD)
        g = (tl.load(g_ptr + at, mask=mask, other=0.0).to(tl.float32) * scale).to(kind).to(tl.float32)
        k = tl.load(k_ptr + at, mask=mask, other=0.0).to(tl.float32)
        v = tl.load(v_ptr + at, mask=mask, other=0.0).to(tl.float32)
        tl.store(dq_ptr + at, tl.dot(g, tl.trans(kv), input_precision=EXACT).to(kind), mask=mask)
        tl.store(dk_ptr + at, tl.dot(v, tl.trans(qg), input_precision=EXACT).to(kind), mask=mask)
        tl.store(dv_ptr + at, tl.dot(k, qg, input_precision=EXACT).to(kind), mask=mask)


def _shape(q: Tensor, heads: int) -> tuple[tuple[int, int], dict]:
    """The grid, and the sizes that a kernel takes."""
    batch, tokens, channels = q.shape
    width = channels // heads
    blocks = {
        "BL": max(16, min(TOKENS, triton.next_power_of_2(tokens))),
        "BD": max(16, triton.next_power_of_2(width)),
        "EXACT": "ieee" if q.dtype == torch.float32 else "tf32",
    }
    return (batch, heads), {"tokens": tokens, "channels": channels, "width": width, **blocks}


def fits(q: Tensor, k: Tensor, v: Tensor, heads: int) -> bool:
    """Whether three `[B, L, C]` tensors are what the kernels read."""
    alike = q.dtype == k.dtype == v.dtype and q.dtype in (torch.float32, torch.bfloat16, torch.float16)
    return alike and all(x.is_contiguous() for x in (q, k, v)) and q.shape[-1] // heads <= WIDEST_HEAD


class SpikeAttention(torch.autograd.Function):
    """`scale * q (k^T v)` per head of `[B, L, C]` tensors; heads are blocks of neighbouring channels."""

    @staticmethod
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float) -> Tensor:
        ctx.save_for_backward(q, k, v)
        ctx.heads, ctx.scale = heads, scale
        return torch.ops.snnbench.spike_attention(q, k, v, heads, scale)

    @staticmethod
    def backward(ctx, g: Tensor):
        gradients = torch.ops.snnbench.spike_attention_backward(g, *ctx.saved_tensors, ctx.heads, ctx.scale)
        return *gradients, None, None


def spike_attention(q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float) -> Tensor:
    out = torch.empty_like(q)
    grid, sizes = _shape(q, heads)
    forward_kernel[grid](q, k, v, out, scale=scale, **sizes, num_warps=4)
    return out


def spike_attention_backward(g: Tensor, q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float):
    g = g.contiguous()
    dq, dk, dv = torch.empty_like(q), torch.empty_like(q), torch.empty_like(q)
    grid, sizes = _shape(q, heads)
    backward_kernel[grid](g, q, k, v, dq, dk, dv, scale=scale, **sizes, num_warps=4)
    return dq, dk, dv


LIBRARY = torch.library.Library("snnbench", "FRAGMENT")
LIBRARY.define("spike_attention(Tensor q, Tensor k, Tensor v, int heads, float scale) -> Tensor")
LIBRARY.define(
    "spike_attention_backward(Tensor g, Tensor q, Tensor k, Tensor v, int heads, float scale) "
    "-> (Tensor, Tensor, Tensor)"
)
LIBRARY.impl("spike_attention", spike_attention, "CompositeExplicitAutograd")
LIBRARY.impl("spike_attention_backward", spike_attention_backward, "CompositeExplicitAutograd")


@torch.library.register_fake("snnbench::spike_attention", lib=LIBRARY)
def _(q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float) -> Tensor:
    return torch.empty_like(q)


@torch.library.register_fake("snnbench::spike_attention_backward", lib=LIBRARY)
def _(g: Tensor, q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float):
    return torch.empty_like(q), torch.empty_like(q), torch.empty_like(q)
