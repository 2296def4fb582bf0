"""parameters.csv: what a network learns beside its weights, from the start on, through a resume, or no file at all."""

import csv

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from snnbench.build import instantiate
from snnbench.cli.main import main
from snnbench.config.catalogue import options, path_of
from snnbench.site import Site
from snnbench.synapses.dcls import DCLS
from snnbench.synapses.iir import IIR
from snnbench.train.parameters import COLUMNS, summary
from tests.train.conftest import SMALL, only_run, weights

RUN = ["train", *SMALL, "neuron=plif", "train.epochs=2", "train.limit_train_batches=2", "train.limit_test_batches=1",
       "measure.operations=false", "log.progress=lines"]  # fmt: skip


def rows(folder):
    return list(csv.DictReader((folder / "parameters.csv").open()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    assert main([*RUN, "log.tensorboard=true", f"paths.runs={root}"]) == 0
    return only_run(root)


def test_a_row_for_every_epoch_layer_and_quantity_and_the_start(folder):
    """The last rows are the checkpoint's values, and mirrors show them too."""
    found = rows(folder)
    assert tuple(found[0]) == COLUMNS
    layers = list(dict.fromkeys(row["layer"] for row in found))
    assert [(row["epoch"], row["layer"]) for row in found] == [(e, layer) for e in "012" for layer in layers]
    assert {(row["name"], row["count"]) for row in found} == {("tau", "1")}
    start, last = found[: len(layers)], found[-len(layers) :]
    assert {row["mean"] for row in start} == {"2"}
    for row in last:
        assert float(row["mean"]) != 2
        assert row["mean"] == row["min"] == row["max"]
        assert row["std"] == "0"
    state = weights(folder)
    taus = {key: 1 / torch.sigmoid(value).item() for key, value in state.items() if key.endswith("neuron.w")}
    assert {f"model.{row['layer']}.w": float(row["mean"]) for row in last} == pytest.approx(taus, rel=1e-6)
    (events,) = folder.rglob("events.out.tfevents*")
    assert all(f"learnt/{layer}/tau".encode() in events.read_bytes() for layer in layers)


def test_a_resume_drops_what_the_checkpoint_does_not_hold(folder, tmp_path, cut_off):
    cut_off([*RUN, f"paths.runs={tmp_path}"])
    path = only_run(tmp_path) / "parameters.csv"
    assert {row["epoch"] for row in rows(path.parent)} == {"0", "1"}
    path.write_text(path.read_text() + "2,layer,tau,1,9,0,9,9\n")
    assert main([*RUN, f"paths.runs={tmp_path}"]) == 0
    assert path.read_bytes() == (folder / "parameters.csv").read_bytes()
    assert not list(path.parent.glob("*.tmp"))


def test_a_network_that_learns_only_weights_writes_nothing(tmp_path):
    assert main([*RUN, "neuron=lif", "train.epochs=1", f"paths.runs={tmp_path}"]) == 0
    assert not (only_run(tmp_path) / "parameters.csv").exists()


def node(axis: str, name: str) -> dict:
    return OmegaConf.to_container(OmegaConf.load(path_of(axis, name)))


def stated(module: nn.Module) -> dict[str, list[float]]:
    quantities, found = summary(nn.Sequential(module))
    return {name: values for (_, name, _), values in zip(quantities, found.tolist())}


@pytest.mark.parametrize("name", options("neuron"))
def test_every_learnt_number_of_a_neuron_is_stated(name):
    """As many values as parameters: nothing that a neuron learns stays unseen."""
    neuron = instantiate(node("neuron", name), Site(3, 4), surrogate=nn.Identity())
    learnt = neuron.learnt() if hasattr(neuron, "learnt") else {}
    masked = int(getattr(neuron, "outside", torch.zeros(1)).sum())
    assert sum(values.numel() for values in learnt.values()) == sum(p.numel() for p in neuron.parameters()) - masked
    assert all(torch.isfinite(values).all() for values in learnt.values())


def test_values_are_in_the_units_of_their_papers():
    names = ("plif", "sliding_psn", "glif", "alif")
    neuron = {name: instantiate(node("neuron", name), Site(3, 4), surrogate=nn.Identity()) for name in names}
    assert stated(neuron["plif"])["tau"] == [2, 0, 2, 2]
    assert stated(neuron["sliding_psn"])["threshold"] == [1, 0, 1, 1]
    glif = stated(neuron["glif"])
    start = {"tau": 0.25, "threshold": 0.5, "reset": 0.5, "leak": 0.0625, "conduct": 0.5}
    assert {name: glif[name][0] for name in start} == pytest.approx(start)
    assert 0.4 < glif["alpha"][2] < glif["alpha"][3] < 0.6
    assert stated(neuron["alif"])["beta"][0] == pytest.approx(0.99)
    assert stated(instantiate(node("norm", "tebn"), Site(3, 4))) == {"p": [1, 0, 1, 1]}
    delay = stated(DCLS(taps=9).linear(50, 40))["delay"]
    assert 0 <= delay[2] < 1 < 7 < delay[3] <= 8
    assert set(stated(IIR().linear(3, 2))) == {"a1", "a2", "b1"}


def test_what_is_fixed_is_not_learnt():
    assert stated(DCLS(taps=9, learn_delays=False).linear(5, 4)) == {}
    assert stated(IIR(train=False).linear(3, 2)) == {}
