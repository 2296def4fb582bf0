"""SuperSpike's gradients go through autograd, so several processes share a batch as under any other rule."""

import pytest
import torch

from snnbench.cli.main import main
from tests.train.conftest import only_run, record, weights

RUN = ["train", "data=digits", "augment=none", "encoder=threshold_latency", "method=superspike", "T=50",
       "train.batch_size=32", "objective.first=15", "objective.period=5", "model.hidden=[20,16]",
       "model.weight_scale=7.0", "optimizer=sgd", "optimizer.lr=0.05", "train.epochs=1", "train.limit_train_batches=2",
       "train.precision=fp32", "data.drop_last=true", "measure.operations=false", "log.progress=off",
       "train.accelerator=cpu"]  # fmt: skip


@pytest.mark.parametrize("feedback", ["symmetric", "random"])
def test_two_processes_equal_one(feedback, in_two_processes, tmp_path):
    run = [*RUN, f"rule.feedback={feedback}"]
    assert main([*run, f"paths.runs={tmp_path / 'one'}"]) == 0
    in_two_processes(*run, f"paths.runs={tmp_path / 'two'}")
    assert record(only_run(tmp_path / "two"))["device"]["count"] == 2
    expected, found = weights(tmp_path / "one"), weights(tmp_path / "two")
    for key in expected:
        torch.testing.assert_close(found[key], expected[key], rtol=1e-4, atol=1e-6)
