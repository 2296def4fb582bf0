"""QKFormer (Zhou et al., "QKFormer: Hierarchical Spiking Transformer using Q-K Attention", NeurIPS 2024).

The stages have the widths D/4, D/2, D (or D/2, D). Each is a patch embedding SPEDS followed by blocks of attention and
MLP, with token attention QKTA in all stages but the last and spiking self-attention (SSA) in the last. An embedding
adds the spikes of a shortcut to those of its main path, which gives values in {0, 1, 2}. Pools act on currents, before
the neuron; in Spikformer they act on spikes.

Parameters: ImageNet 10-384 / 512 / 768 16,473,688 / 29,079,336 / 64,962,760; CIFAR-10 4-384 6,706,234; CIFAR10-DVS
2-256 1,504,138. Two things differ from the released code. The last neuron of SSA runs over T; in the released code it
runs over T*N merged, so its membrane carries over from one sample to the next. And the first convolution of a static
image runs once, with equal results. The released code reads options for drop-path and attention dropout but never uses
them; they are left out.
"""

from __future__ import annotations

from typing import Annotated, Literal

from torch import Tensor, nn

from snnbench.models.attention import QKTokenAttention, SpikingSelfAttention, TokenBlock, TokenMLP, check_heads
from snnbench.models.base import SpikingModel, require, require_size
from snnbench.models.init import trunc_normal_
from snnbench.models.layers import GlobalAvgPool, MaxPool2d
from snnbench.models.parts import Parts, Unit
from snnbench.models.resnet_parts import LARGE, resolve_stem

FIRST_STRIDE = {"cifar": 1, "imagenet": 4, "dvs": 8}


def _pooled(parts: Parts, c_in: int, c_out: int) -> Unit:
    """conv3x3 - norm - max-pool 3x3 stride 2 - SN."""
    return parts.unit(c_in, c_out, 3, pool=MaxPool2d(3, stride=2, padding=1), pool_at="after_norm")


class PatchEmbedding(nn.Module):
    """SPEDS: `main(lead(x)) + shortcut(lead(x))`, both spiking, `[T, N, C, H, W] -> [T, N, D, H', W']` in {0, 1, 2}."""

    def __init__(self, lead: nn.Module, main: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.lead, self.main, self.shortcut = lead, main, shortcut

    def forward(self, x_seq: Tensor) -> Tensor:
        x_seq = self.lead(x_seq)
        return self.main(x_seq) + self.shortcut(x_seq)


def first_embedding(parts: Parts, stem: str, c_in: int, dim: int) -> PatchEmbedding:
    """The first embedding, with `dim` output channels and total stride 1 ("cifar"), 4 ("imagenet") or 8 ("dvs")."""
    if stem == "cifar":
        lead = parts.unit(c_in, dim // 2, 3)
        return PatchEmbedding(lead, parts.unit(dim // 2, dim, 3), parts.unit(dim // 2, dim, 1))
    if stem == "imagenet":
        lead = _pooled(parts, c_in, dim // 2)
        main = nn.Sequential(_pooled(parts, dim // 2, dim), parts.unit(dim, dim, 3))
        return PatchEmbedding(lead, main, parts.unit(dim // 2, dim, 1, stride=2))
    lead = nn.Sequential(parts.unit(c_in, dim // 8, 3), _pooled(parts, dim // 8, dim // 4))
    main = nn.Sequential(_pooled(parts, dim // 4, dim // 2), _pooled(parts, dim // 2, dim))
    return PatchEmbedding(lead, main, parts.unit(dim // 4, dim, 1, stride=4))


def next_embedding(parts: Parts, stem: str, c_in: int, dim: int) -> PatchEmbedding:
    """An embedding of stride 2; the ImageNet code pools after its first convolution, other code after its second."""
    if stem == "imagenet":
        main = nn.Sequential(_pooled(parts, c_in, dim), parts.unit(dim, dim, 3))
    else:
        main = nn.Sequential(parts.unit(c_in, dim, 3), _pooled(parts, dim, dim))
    return PatchEmbedding(nn.Identity(), main, parts.unit(c_in, dim, 1, stride=2))


class Stage(nn.Module):
    """A patch embedding and token blocks, `[T, N, C, H, W] -> [T, N, D, H', W']`."""

    def __init__(self, embedding: nn.Module, blocks: list[nn.Module]):
        super().__init__()
        self.embedding, self.blocks = embedding, nn.Sequential(*blocks)

    def forward(self, x_seq: Tensor) -> Tensor:
        x_seq = self.embedding(x_seq)
        return self.blocks(x_seq.flatten(3)).unflatten(3, x_seq.shape[3:])


class QKFormer(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        depths: The number of blocks of each stage; the last stage uses self-attention.
        dim: The width D of the last stage; each stage before has half the width of the next.
        heads: The number of attention heads, the same in all stages.
        mlp_ratio: The hidden width of the MLP divided by the width of the stage.
        scale: The factor on the attention Q K^T V of the last stage.
        attn_v_th: The firing threshold of the attention neurons.
        stem: The stride of the first embedding: "cifar" 1, "imagenet" 4, "dvs" 8; "auto": cifar below 96 rows, else dvs
            for two stages and imagenet for more.

    Raises:
        ConfigError: There are fewer than two stages, the heads or stages do not divide `dim`, or the image is smaller
            than the total stride.
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
        depths: list[int] = (1, 1, 2),
        dim: Annotated[int, ">= 8"] = 384,
        heads: Annotated[int, ">= 1"] = 8,
        mlp_ratio: Annotated[float, "in (0, 1000]"] = 4.0,
        scale: Annotated[float, "> 0"] = 0.125,
        attn_v_th: Annotated[float, "> 0"] = 0.5,
        stem: Literal["auto", "cifar", "dvs", "imagenet"] = "auto",
    ):
        super().__init__()
        stages = len(depths)
        require(
            stages >= 2 and min(depths) >= 1,
            f"qkformer needs at least two stages with a block each, got model.depths={list(depths)}.",
        )
        # of large inputs two stages take the stride-8 embedding "dvs", so that 128 pixels end at 8x8
        stem = resolve_stem(stem, in_shape, {0: "cifar", LARGE: "dvs" if stages == 2 else "imagenet"})
        divisor = 2 ** (stages - 1) * (8 if stem == "dvs" else 2)
        require(dim % divisor == 0, f"qkformer: model.dim={dim} must be a multiple of {divisor} for {stages} stages.")
        widths = [dim // 2 ** (stages - 1 - stage) for stage in range(stages)]
        check_heads("qkformer", widths[0], heads)
        stride = FIRST_STRIDE[stem] * 2 ** (stages - 1)
        require_size("qkformer", in_shape, stride, "use model.stem=cifar or model=qkformer_tiny")

        built: list[nn.Module] = []
        channels = in_shape[0]
        for stage, (depth, width) in enumerate(zip(depths, widths)):
            embed = first_embedding if stage == 0 else next_embedding
            embedding, blocks = embed(parts, stem, channels, width), []
            for _ in range(depth):
                attention = (
                    SpikingSelfAttention(parts, width, heads, scale, attn_v_th, qkv_bias=False)
                    if stage == stages - 1
                    else QKTokenAttention(parts, width, heads, attn_v_th)
                )
                blocks.append(TokenBlock(attention, TokenMLP(parts, width, mlp_ratio)))
            built.append(Stage(embedding, blocks))
            channels = width
        self.stages = nn.Sequential(*built)
        self.pool = GlobalAvgPool()
        self.readout = parts.readout(dim, num_classes)
        trunc_normal_(self.readout)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.pool(self.stages(x_seq)))
