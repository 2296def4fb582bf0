"""`Rule.begin`: a start that depends on data, made once, before the first step, the same in all processes."""

import sys

import pytest

from snnbench.cli.main import main
from tests.train.conftest import SMALL, assert_same_weights, only_run

RULE = '''
import torch
import torch.distributed as dist

from snnbench.rules.bptt import BPTT


class Calibrated(BPTT):
    """Logits of unit variance at the start, scaled by what the first samples give."""

    begins_with = 24

    def begin(self, model, x_seq, loss_of):
        with torch.no_grad():
            logits = model(x_seq)
            model.readout.weight.div_(logits.std())
            model.readout.bias.fill_(x_seq.float().mean())  # differs from process to process
        assert x_seq.shape[1] == 24 and torch.isfinite(loss_of(logits)[0]) and torch.rand(3).numel()
        with open(__file__ + ".calls", "a") as calls:
            calls.write(f"{float(logits.std()):.9f} {all(p.grad is None for p in model.parameters())}\\n")

    def train_batch(self, model, batch):
        if dist.is_initialized():
            mine = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
            first = mine.clone()
            dist.broadcast(first, src=0)
            assert torch.equal(mine, first), "the processes have parted"
        return super().train_batch(model, batch)
'''
RUN = ["train", *SMALL, "train.epochs=3", "train.limit_train_batches=2", "train.limit_test_batches=1",
       "measure.operations=false", "log.progress=off"]  # fmt: skip


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """A package with the rule; gives what its `begin` has written down, a line a call."""
    package = tmp_path / "calibrated_rules"
    (package / "configs" / "rule").mkdir(parents=True)
    (package / "__init__.py").write_text(RULE)
    (package / "configs" / "rule" / "calibrated.yaml").write_text(
        "# Of a test\n_target_: calibrated_rules.Calibrated\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SNNBENCH_PLUGINS", "calibrated_rules")
    monkeypatch.delitem(sys.modules, "calibrated_rules", raising=False)  # another test's, in another folder
    return lambda: (package / "__init__.py.calls").read_text().splitlines()


@pytest.mark.parametrize("extra", [[], ["train.ema=0.9"]], ids=["plain", "ema"])
def test_it_runs_once_and_not_on_resume(calls, extra, tmp_path, cut_off):
    run = [*RUN, *extra, "rule=calibrated", "encoder=poisson"]
    assert main([*run, f"paths.runs={tmp_path / 'whole'}"]) == 0
    assert [line.split()[1] for line in calls()] == ["True"]

    cut_off([*run, f"paths.runs={tmp_path / 'halves'}"])
    assert main([*run, f"paths.runs={tmp_path / 'halves'}"]) == 0
    assert len(calls()) == 2
    assert_same_weights(tmp_path / "whole", tmp_path / "halves")


def test_process_0_decides(calls, in_two_processes, tmp_path):
    """Two processes see other samples; their starts would part, and stay apart, if each kept its own."""
    in_two_processes(*RUN, "rule=calibrated", "train.epochs=1", f"paths.runs={tmp_path / 'runs'}")
    assert len(calls()) == len(set(calls())) == 2
    assert only_run(tmp_path)
