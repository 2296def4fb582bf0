"""Components that follow training's progress: told at every epoch's start, after a resume too; stale graphs dropped."""

import csv
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from snnbench.cli.main import main
from snnbench.neurons.masked_psn import MaskedPSN
from snnbench.records import load_record
from snnbench.train.task import Task
from tests.tiny import site
from tests.train.conftest import SMALL, only_run

RUN = ["train", *SMALL, "neuron=masked_psn", "neuron.masked_from=0.5", "train.epochs=4", "train.limit_train_batches=1",
       "measure.operations=false", "log.progress=lines"]  # fmt: skip


def test_epochs_without_a_test_say_so(tmp_path, capsys):
    """`train.eval_every=2`: accuracy and the best checkpoint come from the tested epochs; the run is the same."""
    for every in (1, 2):
        assert main([*RUN, f"train.eval_every={every}", f"paths.runs={tmp_path / str(every)}"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert ["test" in line for line in lines] == [True] * 4 + [False, True, False, True]
    each, second = (only_run(tmp_path / str(every)) for every in (1, 2))
    assert each.name == second.name
    rows = [list(csv.DictReader((folder / "metrics.csv").open())) for folder in (each, second)]
    assert [row["loss"] for row in rows[0]] == [row["loss"] for row in rows[1]]
    assert [row["acc_test"] for row in rows[1]] == ["", rows[0][1]["acc_test"], "", rows[0][3]["acc_test"]]
    records = [load_record(folder / "run.json") for folder in (each, second)]
    assert records[0].acc_last == records[1].acc_last
    assert records[1].acc_best_test == max(float(rows[1][i]["acc_test"]) for i in (1, 3))
    best = torch.load(second / "checkpoints" / "best.ckpt", weights_only=True)["epoch"] + 1
    assert best == records[1].best_test_epoch


def test_masked_psn_follows_its_schedule_also_after_a_resume(monkeypatch, tmp_path, cut_off):
    found, step = [], Task.training_step

    def watched(self, batch, index):
        masked = {m.lam_now.item() for m in self.model.modules() if isinstance(m, MaskedPSN)}
        found.append((self.current_epoch, masked))
        step(self, batch, index)

    monkeypatch.setattr(Task, "training_step", watched)
    cut_off([*RUN, f"paths.runs={tmp_path}"])
    assert found == [(0, {0.0})]
    assert main([*RUN, f"paths.runs={tmp_path}"]) == 0
    assert found[1:] == [(1, {0.5}), (2, {1.0}), (3, {1.0})]


@pytest.mark.parametrize("stale", ["model", "encoder", "objective", None])
def test_every_part_is_told_once_and_a_stale_graph_is_dropped(stale, monkeypatch):
    heard, dropped = [], []

    def told(name):
        module = nn.Module()
        module.on_epoch = lambda progress: heard.append((name, progress)) or name == stale
        return module

    shared = told("surrogate")  # one surrogate may sit in many neurons
    model = nn.Sequential(told("model"), nn.Sequential(shared), nn.Sequential(shared))
    task = Task(model, None, told("objective"), told("encoder"), None, None, num_classes=2, seed=0)
    task.trainer = trainer = SimpleNamespace(current_epoch=3, max_epochs=4)
    monkeypatch.setattr(task, "forget_graphs", lambda: dropped.append(trainer.current_epoch))
    task.on_train_epoch_start()
    assert sorted(heard) == [(name, 0.75) for name in ("encoder", "model", "objective", "surrogate")]
    assert dropped == ([] if stale is None else [3])


def test_masked_psn_leaves_graphs_valid():
    """lambda lies in a buffer that a graph reads."""
    neuron = MaskedPSN(site(), nn.Identity())
    buffer = neuron.lam_now
    assert neuron.on_epoch(0.05) is False
    assert neuron.lam_now is buffer
