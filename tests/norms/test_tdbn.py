"""Norms: equal to torch's batch norm where they should be, tdBN's toy numbers (catalogue page tdbn), ranks in sync."""

import math
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn import functional as F

from snnbench.norms.batch_norm import BatchNorm
from snnbench.norms.none import NoNorm
from snnbench.norms.osr import OSR
from snnbench.norms.tdbn import TdBN
from tests.tiny import site


def images(samples: int = 2) -> torch.Tensor:
    return torch.randn(4, samples, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 3 + 1


@pytest.mark.parametrize("build", [BatchNorm, TdBN], ids=["bn", "tdbn with alpha V_th = 1"])
def test_bit_identical_to_torch_on_the_merged_batch(build):
    norm, torchs = build(site()), nn.BatchNorm2d(3)
    assert norm.state_dict().keys() == torchs.state_dict().keys()
    x = images()
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    for _ in range(2):
        ours, theirs = norm(a), torchs(b.flatten(0, 1)).unflatten(0, (4, 2))
        assert torch.equal(ours, theirs)
    (ours * x).sum().backward()
    (theirs * x).sum().backward()
    assert torch.equal(a.grad, b.grad)
    assert torch.equal(norm.weight.grad, torchs.weight.grad)
    for key, value in torchs.state_dict().items():
        assert torch.equal(norm.state_dict()[key], value), key
    assert torch.equal(norm.eval()(x), torchs.eval()(x.flatten(0, 1)).unflatten(0, (4, 2)))


@pytest.mark.parametrize("build", [BatchNorm, TdBN, OSR])
def test_static_sequence_is_normalised_once(build):
    norm, twin, static = build(site()), build(site()), images()[0].expand(4, -1, -1, -1, -1)
    y = norm(static)
    assert y.stride(0) == 0
    torch.testing.assert_close(y, twin(static.contiguous()))
    torch.testing.assert_close(norm.running_mean, twin.running_mean)


@pytest.mark.parametrize("parametrisation", ["factor", "init"])
def test_tdbn_toy_of_the_page(parametrisation):
    norm = TdBN(site(1, v_th=0.5), parametrisation=parametrisation)
    y = norm(torch.tensor([[1.0, 3], [5, 7]]).unsqueeze(-1))
    assert y.flatten().tolist() == pytest.approx([-0.67082, -0.223607, 0.223607, 0.67082], abs=1e-5)
    assert norm.running_mean.item() == pytest.approx(0.4)
    assert norm.running_var.item() == pytest.approx(1.566667, abs=1e-6)
    assert norm.weight.item() == (1.0 if parametrisation == "factor" else 0.5)


@pytest.mark.parametrize("parametrisation", ["factor", "init"])
def test_tdbn_standard_deviation_on_two_branches(parametrisation):
    y = TdBN(site(v_th=0.5, branches=2), parametrisation=parametrisation)(torch.randn(4, 8, 3, 6, 6))
    merged = y.transpose(0, 2).flatten(1)
    assert merged.std(1, correction=0).tolist() == pytest.approx([0.35355] * 3, abs=1e-4)
    assert merged.mean(1).abs().max() < 1e-6


@pytest.mark.parametrize("norm", [BatchNorm(site(zero_init=True)), TdBN(site(zero_init=True), parametrisation="init")])
def test_zero_init_starts_silent(norm):
    assert norm(images()).abs().max() == 0


def test_gain_gradient_tells_the_parametrisations_apart():
    x, gradients = images(), {}
    for kind in ("factor", "init"):
        norm = TdBN(site(v_th=0.5, branches=2), parametrisation=kind)
        norm(x).square().sum().backward()
        gradients[kind] = norm.weight.grad
    torch.testing.assert_close(gradients["factor"], gradients["init"] * 0.5 / math.sqrt(2))


def test_folding_into_the_convolution():
    conv, norm = nn.Conv2d(2, 3, 3), TdBN(site(v_th=0.5, branches=2))
    for _ in range(3):
        norm(torch.randn(4, 2, 3, 5, 5) * 2 + 1)
    nn.init.uniform_(norm.weight)
    nn.init.uniform_(norm.bias)
    norm.eval()
    x = torch.randn(6, 2, 7, 7)
    folded = F.conv2d(x, *norm.folded(conv.weight, conv.bias))
    torch.testing.assert_close(folded, norm(conv(x).unsqueeze(0)).squeeze(0), rtol=1e-5, atol=1e-5)


def test_none_returns_its_input():
    x = images()
    assert NoNorm(site())(x) is x


def _rank(rank: int, folder: Path, split: int):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    x = images(samples=3)
    part = (x[:, :split] if rank == 0 else x[:, split:]).contiguous().requires_grad_()
    norm = TdBN(site(v_th=0.5), sync=True)
    y = norm(part)
    (y * y.detach().cos()).sum().backward()
    results = [y.detach(), part.grad, norm.weight.grad, norm.running_mean, norm.running_var]
    torch.save(results, folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_ranks_in_sync_equal_one_process(tmp_path):
    """Outputs, input gradients, running statistics; parameter gradients sum over ranks. Batches of 1 and 2 samples."""
    mp.spawn(_rank, args=(tmp_path, 1), nprocs=2)
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    alone, x = TdBN(site(v_th=0.5)), images(samples=3).requires_grad_()
    y = alone(x)
    (y * y.detach().cos()).sum().backward()
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(torch.cat([p[0] for p in parts], 1), y.detach(), **close)
    torch.testing.assert_close(torch.cat([p[1] for p in parts], 1), x.grad, **close)
    torch.testing.assert_close(parts[0][2] + parts[1][2], alone.weight.grad, **close)
    for part in parts:
        torch.testing.assert_close(part[3], alone.running_mean)
        torch.testing.assert_close(part[4], alone.running_var)
