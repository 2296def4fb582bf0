"""Components that follow training's progress: told at every epoch's start, after a resume too; stale graphs dropped."""

import csv

import pytest
import torch
from torch import nn

from snnbench.cli.main import main
from snnbench.neurons.masked_psn import MaskedPSN
from snnbench.records import load_record
from snnbench.train.task import Task
from tests.train.conftest import SMALL, only_run

RUN = ["train", *SMALL, "neuron=masked_psn", "neuron.masked_from=0.5", "train.epochs=4", "train.limit_train_batches=1",
       "measure.operations=false", "log.progress=lines"]  # fmt: skip


@pytest.fixture
def lambdas(monkeypatch):
    """lambda of every masked neuron at the start of each training step, as [epoch, {lambda}] in order."""
    found, step = [], Task.training_step

    def watched(self, batch, index):
        masked = {m.lam_now.item() for m in self.model.modules() if isinstance(m, MaskedPSN)}
        found.append((self.current_epoch, masked))
        step(self, batch, index)

    monkeypatch.setattr(Task, "training_step", watched)
    return found


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


def test_masked_psn_follows_its_schedule_also_after_a_resume(lambdas, tmp_path, cut_off):
    cut_off([*RUN, f"paths.runs={tmp_path}"])
    assert lambdas == [(0, {0.0})]
    assert main([*RUN, f"paths.runs={tmp_path}"]) == 0
    assert lambdas[1:] == [(1, {0.5}), (2, {1.0}), (3, {1.0})]


class Told(nn.Module):
    def __init__(self, stale: bool):
        super().__init__()
        self.stale, self.heard = stale, []

    def on_epoch(self, progress: float) -> bool:
        self.heard.append(progress)
        return self.stale


class Graphs:
    forgotten = 0

    def forget(self):
        self.forgotten += 1


@pytest.mark.parametrize("where", ["model", "encoder", "objective", None])
def test_every_part_is_told_once_and_a_stale_graph_is_dropped(where):
    parts = {name: nn.Sequential(Told(name == where)) for name in ("model", "encoder", "objective")}
    shared = Told(False)  # one surrogate may sit in many neurons
    parts["model"].extend([nn.Sequential(shared), nn.Sequential(shared)])
    task = Task(parts["model"], None, parts["objective"], parts["encoder"], None, None, num_classes=2, seed=0)
    task._captured = task._captured_test = graphs = Graphs()
    task._trainer = type("Trainer", (), {"current_epoch": 3, "max_epochs": 4})()
    Task._tell_epoch(task)
    assert [part[0].heard for part in parts.values()] == [[0.75]] * 3
    assert shared.heard == [0.75]
    assert graphs.forgotten == (0 if where is None else 2)


def test_masked_psn_leaves_graphs_valid():
    """lambda lies in a buffer that a graph reads."""
    from tests.tiny import site

    neuron = MaskedPSN(site(), nn.Identity())
    buffer = neuron.lam_now
    assert neuron.on_epoch(0.05) is False
    assert neuron.lam_now is buffer
    assert torch.isclose(buffer, torch.tensor(0.4))
