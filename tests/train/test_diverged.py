"""Numbers that are not finite end a run, also where the loss of most batches is never read (CUDA)."""

import pytest
import torch

from snnbench.cli.main import main
from snnbench.train.task import Task
from tests.train.conftest import SMALL, only_run, record

RUN = ["train", *SMALL, "train.epochs=2", "train.limit_train_batches=4", "log.progress=lines"]


def broken(name, value):
    """How the 4th step, after which no loss is read, leaves a weight or a statistic with this value."""

    def patch(monkeypatch):
        step = Task._step

        def broken_step(self, optimizer):
            step(self, optimizer)
            if self.global_step == 4:
                self.model.state_dict()[name].fill_(value)

        monkeypatch.setattr(Task, "_step", broken_step)

    return patch


def one_loss_in_the_middle(monkeypatch):
    run = Task._train_batch

    def broken(self, *batch, optimizer):
        tally, loss = run(self, *batch, optimizer=optimizer)
        return (tally + torch.tensor([float("inf"), 0.0]), loss) if self.global_step == 2 else (tally, loss)

    monkeypatch.setattr(Task, "_train_batch", broken)


CAUSES = {
    "a step that is too large": (None, ["optimizer.lr=1e38"], "is not finite"),
    "a weight after the last loss": (
        broken("stem.0.synapse.weight", float("inf")), [], "the parameter stem.0.synapse.weight is not finite"),
    "a statistic": (
        broken("stem.0.norm.running_var", float("nan")), [], "the statistic stem.0.norm.running_var is not finite"),
    "one loss in the middle": (
        one_loss_in_the_middle, [], "the loss is inf at step 4 (epoch 0); every layer's output is finite"),
}  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES)
def test_it_ends_the_run_before_anything_is_saved_and_is_not_kept(cause, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(Task, "reads_every_loss", False)  # as on CUDA: after every 50th batch, and an epoch has 4
    patch, options, clause = CAUSES[cause]
    if patch:
        patch(monkeypatch)
    assert main([*RUN, *options, f"paths.runs={tmp_path}"]) == 1
    error = capsys.readouterr().err.strip()
    assert "at step 4 (epoch 0)" in error
    assert clause in error
    assert len(error.splitlines()) == 1
    folder = only_run(tmp_path)
    found = record(folder)
    assert (found["status"], found["epochs"]) == ("failed", 0)
    assert found["error"].startswith("NonFiniteLoss: ")
    assert not list(tmp_path.rglob("*.ckpt"))
    assert main(["keep", f"run={folder}", f"out={tmp_path / 'kept'}"]) == 2
    assert "has diverged" in capsys.readouterr().err
    assert not (tmp_path / "kept").exists()


@pytest.mark.gpu
def test_it_ends_a_run_on_a_gpu(tmp_path, capsys):
    """Its epochs have fewer than 50 batches, and bf16 and CUDA graphs are on."""
    large = ["train.epochs=2", "optimizer.lr=1e38"]
    assert main(["train", "train.accelerator=cuda", *large, f"paths.runs={tmp_path}"]) == 1
    assert "is not finite" in capsys.readouterr().err
    assert record(only_run(tmp_path))["status"] == "failed"
    assert not list(tmp_path.rglob("*.ckpt"))
