"""Tensors that the papers call binary are binary and integers are integers; attention as the papers state it."""

import pytest
import torch

from snnbench.models.attention import QKTokenAttention, SpikingSelfAttention
from snnbench.models.layers import AvgPool2d, MaxPool2d, SpikeMatmul
from snnbench.models.parts import Unit
from snnbench.models.qkformer import PatchEmbedding
from snnbench.models.spikformer import PatchSplitting
from snnbench.norms.none import NoNorm

from .building import BINARY, IF, LIF, build, counts, is_a, make_parts, outputs, spiking_input


@pytest.mark.parametrize(
    "name",
    ["spiking_resnet_tiny", "csnn", "sew_resnet18", "ms_resnet18", "spikformer_tiny", "qkformer_tiny", "stbp_net",
     "plif_net_mnist"],
)  # fmt: skip
def test_every_neuron_emits_zeros_and_ones_and_pools_of_spikes_give_what_pools_can(name):
    model = build(name, (2, 16, 16), 10, make_parts(IF, NoNorm) if name == "stbp_net" else make_parts(IF))
    seen = outputs(model, spiking_input(2, 2, 2, 16, 16), lambda _name, module: hasattr(module, "surrogate"))
    assert len(seen) == len(model.neurons())
    assert all(counts(spikes) <= BINARY for spikes in seen.values())
    assert counts(next(iter(seen.values()))) == BINARY
    if name in ("stbp_net", "plif_net_mnist"):
        pool, values = (AvgPool2d, {0.25, 0.5, 0.75}) if name == "stbp_net" else (MaxPool2d, set())
        pooled = outputs(model, spiking_input(2, 2, 2, 16, 16), is_a(pool))
        assert pooled
        assert all(counts(y) <= BINARY | values for y in pooled.values())


class Released(LIF):
    """The neuron of STBP's released CIFAR-10 net, decay 0.25, threshold 0.75."""

    def __init__(self, site, surrogate):
        super().__init__(site, surrogate, tau=4 / 3, decay_input=False, v_th=0.75, detach_reset=False, strict=True)


@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_stbps_released_cifar10_net_is_silent_without_gain(gain):
    model = build("stbp_net_cifar10", (3, 32, 32), 10, make_parts(Released, NoNorm), gain=gain).eval()
    torch.manual_seed(0)
    image = torch.nn.functional.interpolate(torch.randn(2, 3, 4, 4), 32, mode="bicubic")
    seen = outputs(model, (image / image.std()).expand(2, -1, -1, -1, -1), is_a(Released))
    rates = [spikes.mean().item() for spikes in seen.values()]
    assert all(rates) if gain > 1 else not any(rates[2:])


@pytest.mark.parametrize(
    ("name", "changes", "embedding", "embeddings"),
    [("spikformer_tiny", {"depth": 2}, PatchSplitting, 1), ("qkformer_tiny", {}, PatchEmbedding, 2)],
)
def test_embeddings_add_two_spikes_and_attention_reads_and_gives_spikes(name, changes, embedding, embeddings):
    model = build(name, (2, 16, 16), 10, make_parts(IF), **changes)
    x_seq = spiking_input(2, 2, 2, 16, 16)
    embedded = outputs(model, x_seq, is_a(embedding))
    assert len(embedded) == embeddings
    assert all(counts(y) == {0.0, 1.0, 2.0} for y in embedded.values())
    attended = outputs(model, x_seq, is_a(QKTokenAttention, SpikingSelfAttention))
    assert len(attended) == 2
    read = outputs(model, x_seq, lambda n, m: isinstance(m, Unit) and n.endswith((".q", ".k", ".v")))
    assert len(read) == (6 if name == "spikformer_tiny" else 5)
    assert all(counts(y) <= BINARY for y in [*attended.values(), *read.values()])
    assert name == "qkformer_tiny" or all(counts(y) == BINARY for y in read.values())


def test_both_orders_of_attention_agree():
    attention = SpikingSelfAttention(make_parts(), 16, 2, scale=0.125, attn_v_th=0.5, qkv_bias=False)
    tokens = [(spiking_input(2, 3, 16, 10, seed=seed) > 0).float() for seed in range(3)]
    for q, k, v in (tokens, [x[..., :5] for x in tokens]):  # d=8 <= L=10, then L=5 < d=8: the other order
        heads = [x.unflatten(2, (2, -1)) for x in (q, k, v)]
        reference = (heads[0].mT @ heads[1] @ heads[2].mT).mT.flatten(2, 3) * 0.125  # (Q K^T) V with tokens in rows
        assert torch.equal(attention.attend(q, k, v), reference)
    assert sum(isinstance(module, SpikeMatmul) for module in attention.modules()) == 2


def test_token_mask_is_binary_one_a_head_and_silences_tokens():
    attention = QKTokenAttention(make_parts(IF), 16, 4, attn_v_th=0.5)
    masks, projected = [], []
    attention.neuron.register_forward_hook(lambda _m, _i, y: masks.append(y))
    attention.projection.register_forward_hook(lambda _m, args, _y: projected.append(args[0]))
    q = torch.zeros(2, 3, 16, 10)
    q[:, :, :4, :6] = 1  # only the first head's queries fire, and only for six tokens
    attention.q.register_forward_hook(lambda _m, _i, _y: q)
    y = attention(spiking_input(2, 3, 16, 10))
    assert masks[0].shape == (2, 3, 4, 1, 10)
    assert counts(masks[0]) == BINARY
    assert counts(y) <= BINARY
    tokens = projected[0].unflatten(2, (4, 4))
    assert not tokens[:, :, 1:].any()
    assert not tokens[:, :, :1, :, 6:].any()
    assert tokens[:, :, 0, :, :6].any()


def test_attention_threshold_comes_from_the_model_and_others_from_the_neuron():
    model = build("qkformer_tiny", (1, 8, 8), 10, make_parts(v_th=0.8))
    for name, neuron in model.neurons().items():
        assert neuron.v_th == (0.5 if name.endswith("attention.neuron") else 0.8)


def test_samples_of_a_batch_do_not_see_each_other():
    """The released QKFormer's SSA leaks membranes from sample to sample; this one must not."""
    model = build("qkformer_tiny", (1, 8, 8)).eval()
    x_seq = spiking_input(2, 3, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(model(x_seq)[:, 1:2], model(x_seq[:, 1:2]), rtol=1e-4, atol=1e-5)
