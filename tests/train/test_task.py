"""What a rule is handed by the trainer."""

import pytest
import torch
from torch import nn

from snnbench.encoders.direct import Direct
from snnbench.objectives.mean_ce import MeanCE
from snnbench.rules.bptt import BPTT
from snnbench.train.task import Task


class Readout(nn.Module):
    """A linear readout of flat images at every step."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x_seq):
        return self.linear(x_seq.flatten(2))


class Noting(BPTT):
    """Keeps the batch that it was given."""

    def train_batch(self, model, batch):
        self.batch = batch
        return super().train_batch(model, batch)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("index", [(), (torch.tensor([7, 3]),)], ids=["unknown", "known"])
def test_a_rule_sees_the_target_and_the_index_of_a_batch(soft, index):
    rule = Noting()
    task = Task(Readout(), rule, MeanCE(), Direct(time_steps=5), optimizer=None, schedule=None, num_classes=3, seed=0)
    x, target = torch.randn(2, 1, 2, 2), torch.tensor([[0.5, 0.5, 0], [0, 0, 1]]) if soft else torch.tensor([0, 2])
    _, loss = task.run_rule(x, target, *index)
    assert rule.batch.x_seq.shape == (5, 2, 1, 2, 2)
    assert rule.batch.target is target
    assert rule.batch.index is (index[0] if index else None)
    torch.testing.assert_close(loss, nn.functional.cross_entropy(task.model(x[None])[0], target).detach())
    assert task.model.linear.weight.grad.abs().sum() > 0
