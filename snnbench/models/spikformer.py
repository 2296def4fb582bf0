"""Spikformer (Zhou et al., "Spikformer: When Spiking Neural Network Meets Transformer", ICLR 2023).

The stem SPS has four units conv3x3 - norm - SN of D/8, D/4, D/2, D channels, max-pools (3, stride 2) on the spikes of
the last ones, and a relative position embedding x + SN(norm(conv3x3(x))). `depth` blocks of spiking self-attention and
MLP, the mean over tokens, and a linear readout follow.

The released code builds LayerNorms that it never calls; as in the paper's table, they are not counted here:
CIFAR-10 4-384 9,324,730; 2-384 5,765,050; ImageNet 8-384 16,816,024; 8-512 29,689,384; 8-768 66,338,632;
CIFAR10-DVS 2-256 2,566,666. The drop-path, attention dropout and position table of that code have no effect either and
are left out. The projections of the CIFAR code are `nn.Linear` (bias on q, k, v; truncated normal 0.02), those of
ImageNet and DVS are 1x1 convolutions (no bias on q, k, v; PyTorch's initialisation): `projections` says which.
"""

from __future__ import annotations

from typing import Annotated, Literal

from torch import Tensor, nn

from snnbench.models.attention import SpikingSelfAttention, TokenBlock, TokenMLP, check_heads
from snnbench.models.base import SpikingModel, require, require_size
from snnbench.models.init import trunc_normal_
from snnbench.models.layers import GlobalAvgPool, MaxPool2d
from snnbench.models.parts import Parts
from snnbench.models.resnet_parts import LARGE, resolve_stem
from snnbench.synapses.base import Synapse

POOLS = {"small": 1, "cifar": 2, "dvs": 4, "imagenet": 4}
BY_ROWS = {0: "small", 17: "cifar", LARGE: "imagenet"}  # up to 16 rows pooled once: 8x8 digits keep 16 tokens


class PatchSplitting(nn.Module):
    """SPS: `[T, N, C, H, W] -> [T, N, D, H', W']` with values in {0, 1, 2}; the last `pools` units are pooled."""

    def __init__(self, parts: Parts, c_in: int, dim: int, pools: int):
        super().__init__()
        layers: list[nn.Module] = []
        for index, width in enumerate((dim // 8, dim // 4, dim // 2, dim)):
            layers.append(parts.unit(c_in, width, 3))
            if index >= 4 - pools:
                layers.append(MaxPool2d(3, stride=2, padding=1))
            c_in = width
        self.units = nn.Sequential(*layers)
        self.position = parts.unit(dim, dim, 3)

    def forward(self, x_seq: Tensor) -> Tensor:
        x_seq = self.units(x_seq)
        return x_seq + self.position(x_seq)


class Spikformer(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        depth: The number of blocks.
        dim: The width D of the tokens, a multiple of 8.
        heads: The number of attention heads; the number of parameters does not depend on it.
        mlp_ratio: The hidden width of the MLP divided by D.
        scale: The factor on the attention Q K^T V.
        attn_v_th: The firing threshold of the neuron after the attention.
        projections: The kind of the linear maps, "linear" as in the CIFAR code or "conv" as in the ImageNet and DVS
            code.
        stem: The number of max-pools: "small" 1 (8 -> 4), "cifar" 2 (32 -> 8), "dvs" and "imagenet" 4 (128 -> 8, 224 ->
            14); "auto": small up to 16 rows, cifar below 96, else imagenet.

    Raises:
        ConfigError: `dim` is no multiple of 8 or of `heads`, or the image is smaller than the stem's total stride.
    """

    traits = ("attention", "max_pool", "residual")
    made_for = {  # noqa: RUF012
        "*_tiny": ("data=digits",),
        "*_cifar_*": ("data=cifar10",),
        "*_dvs_*": ("data=cifar10_dvs", "data.shape=[2,128,128]"),
        "*": ("data=imagenet",),
    }

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        depth: Annotated[int, ">= 1"] = 4,
        dim: Annotated[int, ">= 8"] = 384,
        heads: Annotated[int, ">= 1"] = 12,
        mlp_ratio: Annotated[float, "in (0, 1000]"] = 4.0,
        scale: Annotated[float, "> 0"] = 0.125,
        attn_v_th: Annotated[float, "> 0"] = 0.5,
        projections: Literal["linear", "conv"] = "linear",
        stem: Literal["auto", "small", "cifar", "dvs", "imagenet"] = "auto",
    ):
        super().__init__()
        require(dim % 8 == 0, f"spikformer: model.dim={dim} must be a multiple of 8 (the stem begins with dim/8).")
        check_heads("spikformer", dim, heads)
        pools = POOLS[resolve_stem(stem, in_shape, BY_ROWS)]
        require_size("spikformer", in_shape, 2**pools, "use model.stem=small or model=spikformer_tiny")
        bias = projections == "linear"
        self.stem = PatchSplitting(parts, in_shape[0], dim, pools)
        self.blocks = nn.Sequential(
            *(
                TokenBlock(
                    SpikingSelfAttention(parts, dim, heads, scale, attn_v_th, bias), TokenMLP(parts, dim, mlp_ratio)
                )
                for _ in range(depth)
            )
        )
        self.pool = GlobalAvgPool()
        self.readout = parts.readout(dim, num_classes)
        if projections == "linear":
            for module in self.blocks.modules():
                if isinstance(module, Synapse):
                    trunc_normal_(module)
        trunc_normal_(self.readout)

    def forward(self, x_seq: Tensor) -> Tensor:
        tokens = self.stem(x_seq).flatten(3)  # [T, N, D, L]
        return self.readout(self.pool(self.blocks(tokens)))
