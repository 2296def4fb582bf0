"""Two processes that are one run: their mean gradients, losses and weights are those of one process."""

import subprocess
import sys
from multiprocessing import get_context

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from snnbench.cli.main import main
from snnbench.train.capture import CapturedBatch
from snnbench.train.reduce import Reduction
from tests.train.conftest import only_run, record, weights

# Two steps: after more, rounding flips a spike and the trajectories part, as those of any two machines do.
SHORT = ["train.epochs=1", "train.limit_train_batches=2", "train.precision=fp32", "optimizer.momentum=0.0",
         "data.drop_last=true"]  # fmt: skip
ONLINE = ["train", "data=digits", "augment=none", "T=3", "method=ottt", "model=stbp_mlp", "model.hidden=[20]",
          "optimizer=sgd", "optimizer.lr=0.1", "train.batch_size=32", "measure.operations=false", "log.progress=off",
          "train.grad_clip=0.5", "train.accelerator=cpu", *SHORT]  # fmt: skip


def by_torchrun(*arguments: str) -> str:
    """What `snnbench train` prints in two processes of torchrun."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    two = subprocess.run([*torchrun, "snnbench", "train", *arguments], capture_output=True, text=True, timeout=180)
    assert two.returncode == 0, two.stdout + two.stderr
    return two.stdout + two.stderr


def assert_close_weights(root, other) -> None:
    expected, found = weights(root), weights(other)
    for key in expected:
        torch.testing.assert_close(found[key], expected[key], rtol=1e-4, atol=1e-5, msg=lambda m, key=key: key + m)


def test_torchrun_equals_one_process(small, tmp_path):
    options = [*small, *SHORT, "norm.sync=true", "measure.mirrored=true", "measure.samples=null"]
    assert main(["train", *options, f"paths.runs={tmp_path / 'one'}"]) == 0
    assert "Warning" not in by_torchrun(*options, f"paths.runs={tmp_path / 'two'}")
    assert_close_weights(tmp_path / "one", tmp_path / "two")
    one, two = (record(only_run(tmp_path / name)) for name in ("one", "two"))
    assert (one["device"]["count"], two["device"]["count"]) == (1, 2)
    assert two["operations"]["samples"] == one["operations"]["samples"] == 360
    for key in ("firing_rates", "acc_last", "acc_mirrored", "loss_last"):
        assert two[key] == pytest.approx(one[key], rel=2e-3), key
    for key in ("sop", "macs", "acs", "energy_mj"):
        assert two["operations"][key] == pytest.approx(one["operations"][key], rel=2e-3), key


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
@pytest.mark.parametrize("sync", ["true", "false"])
def test_two_gpus_replay_graphs(sync, small, tmp_path):
    """With statistics of all processes two equal one; with those of each, they end with the same accuracy or so."""
    options = [*small, *SHORT, f"norm.sync={sync}", "train.accelerator=cuda", "train.limit_train_batches=4"]
    assert main(["train", *options, f"paths.runs={tmp_path / 'one'}"]) == 0
    printed = by_torchrun(*options, f"paths.runs={tmp_path / 'two'}")
    assert "captured" not in printed
    assert "Warning" not in printed
    one, two = (record(only_run(tmp_path / name)) for name in ("one", "two"))
    assert two["loss_last"] == pytest.approx(one["loss_last"], rel=0.02 if sync == "true" else 0.2)
    assert two["device"]["count"] == 2


@pytest.mark.parametrize("variant", ["A", "O"])
def test_online_rules_equal_one_process(variant, in_two_processes, tmp_path):
    """OTTT_A steps once a batch, OTTT_O at every time step; gradients are clipped after they are averaged."""
    run = [*ONLINE, f"rule.variant={variant}"]
    assert main([*run, f"paths.runs={tmp_path / 'one'}"]) == 0
    in_two_processes(*run, f"paths.runs={tmp_path / 'two'}")
    assert_close_weights(tmp_path / "one", tmp_path / "two")


class Uneven(nn.Module):
    """`first` is used by all, `second` by process 1 alone, `third` by none; a statistic differs between processes."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.Conv2d(3, 4, 3), nn.Linear(4, 4), nn.Linear(4, 4)
        self.first.to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.full((3,), float(dist.get_rank())))

    def forward(self, x):
        y = self.first(x).mean((2, 3))
        return self.second(y) if dist.get_rank() == 1 else y


def reduce_both_ways(rank: int, store: str, found) -> None:
    """Put the gradients of our reduction, those of torch's wrapper, and the statistic into the queue."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    torch.manual_seed(0)
    model = Uneven()
    torch.manual_seed(1 + rank)
    x, gradients = torch.randn(2, 3, 6, 6), []
    reduction = Reduction(model)
    model(x).square().sum().backward()
    reduction.gather()
    reduction.average()
    statistic = model.mean.tolist()
    gradients.append([None if p.grad is None else p.grad.tolist() for p in model.parameters()])
    model.zero_grad()
    wrapped = DistributedDataParallel(model, find_unused_parameters=True)
    wrapped(x).square().sum().backward()
    gradients.append([None if p.grad is None else p.grad.tolist() for p in model.parameters()])
    found.put((*gradients, statistic))
    dist.destroy_process_group()


def test_the_mean_is_that_of_torch(tmp_path):
    """Also where a parameter has no gradient in one process, or in none: nobody waits for it."""
    context = get_context("fork")
    found = context.SimpleQueue()
    pair = [context.Process(target=reduce_both_ways, args=(rank, tmp_path / "store", found)) for rank in range(2)]
    for process in pair:
        process.start()
    for process in pair:
        process.join(60)
    assert [process.exitcode for process in pair] == [0, 0]
    for ours, torchs, statistic in (found.get(), found.get()):
        assert [gradient is None for gradient in ours] == [False] * 4 + [True] * 2
        assert [gradient is None for gradient in torchs] == [False] * 4 + [True] * 2
        for mine, other in zip(ours[:4], torchs[:4]):
            torch.testing.assert_close(torch.tensor(mine), torch.tensor(other))
        assert statistic == [0.0] * 3


def test_all_run_eagerly_where_one_cannot_capture(monkeypatch, caplog):
    layer = nn.Linear(2, 2)
    monkeypatch.setattr(CapturedBatch, "_capture", lambda self, batch: object())
    batch = CapturedBatch(layer, lambda x: (layer(x),), agreed=lambda succeeded: succeeded and False)
    assert batch(torch.zeros(1, 2)) is None
    assert not batch.fits(torch.zeros(1, 2))
    assert "another process of the run failed" in caplog.text
