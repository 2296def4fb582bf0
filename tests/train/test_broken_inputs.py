"""Broken files and folders, through the command line: one clear sentence, exit code 2, nothing half-written."""

import io
import json
import pickle
import shutil

import pytest
import torch
from PIL import Image

from snnbench.cli.main import main
from snnbench.config.compose import compose
from snnbench.config.paths import configs_dir
from snnbench.data.sources import CIFAR10
from tests.tables.records_of import record
from tests.train.conftest import SMALL, assert_refused

ARCHIVE = CIFAR10.archives[0].file
NEURON = """
from snnbench.neurons.integrate_fire import IF


class Mine(IF):
    pass
"""


def run_folder(place, *overrides):
    """Where `snnbench train` with the small network and these overrides puts its run."""
    return compose([*SMALL, *overrides, f"paths.runs={place / 'runs'}"]).identity.folder


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def train(place, *overrides):
    return ["train", *SMALL, "log.progress=lines", f"paths.data={place}", f"paths.runs={place / 'runs'}", *overrides]


def saved(value, cut=None):
    """The bytes of a checkpoint that holds this, or the first of them."""
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()[:cut]


def own_config():
    return json.dumps(record(config=compose(SMALL).config))


# What lies in the folder {place}, made when the test runs; the command that meets it ("train" stands for a small run);
# a word of what it must say. {run} is the folder of that small run.
FILES = {
    "a data folder that is missing": ({}, "train data=cifar10", "snnbench data prepare cifar10"),
    "an archive that is empty": ({ARCHIVE: b""}, "data prepare cifar10 root={place}", "is empty"),
    "recordings that are incomplete": (
        {"CIFAR10DVS/cat/cifar10_cat_0.aedat": b"#!AER-DAT2.0\r\n\x00"}, "train data=cifar10_dvs",
        "expected numbers 0 to 999"),
    "a recording that is cut off": (
        {f"NMNIST/{part}/{digit}/00001.bin": b"\x00" * (5 if digit < 9 else 4)
         for part in ("Train", "Test") for digit in range(10)}, "train data=nmnist", "00001.bin"),
    "a checkpoint that is cut off": (
        {"{run}/checkpoints/last.ckpt": lambda: saved({"state_dict": {"w": torch.zeros(1000)}}, -200)}, "train",
        "cannot be read as a checkpoint"),
    "a checkpoint of another configuration": (
        {"other.ckpt": lambda: saved({"snnbench": {"config_hash": "0123456789"}})},
        "train train.ckpt_path={place}/other.ckpt", "another configuration (0123456789"),
    "a checkpoint that is no mapping": (
        {"tensor.ckpt": lambda: saved(torch.zeros(3))}, "train train.ckpt_path={place}/tensor.ckpt",
        "cannot be read as a checkpoint"),
    "a checkpoint in another pickle protocol": (
        {"own.ckpt": pickle.dumps({"state_dict": {}}, protocol=4)}, "train train.ckpt_path={place}/own.ckpt",
        "own.ckpt"),
    "its own record, no JSON": ({"{run}/run.json": '{"status": "do'}, "train", "is damaged"),
    "eval of another network's checkpoint": (
        {"run.json": own_config, "checkpoints/last.ckpt": lambda: saved({"state_dict": {"w": torch.zeros(3)}})},
        "eval run={place}", "does not fit the network"),
    "eval of half a configuration": (
        {"run.json": json.dumps(record(config={"T": 4})), "checkpoints/last.ckpt": b"garbage"}, "eval run={place}",
        "name is missing"),
    "keep of an older record of a run that diverged unseen": (
        {"run.json": json.dumps(record(loss_last=None))}, "keep run={place} out={place}/kept",
        "its loss is not finite"),
    "tables of a record in another encoding": (
        {"a/run.json": b"\xff\xfe{}"}, "tables records={place} out={place}/tables", "is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("broken", FILES)
def test_a_broken_file_is_one_sentence_and_leaves_nothing(broken, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("snnbench.data.nmnist.NMNIST.expected", (10, 10))
    files, command, hint = FILES[broken]
    for name, content in files.items():
        place = tmp_path / (name.format(run=run_folder(tmp_path)) if "{run}" in name else name)
        write(place, content() if callable(content) else content)
    words = [word.format(place=tmp_path) for word in command.split()]
    assert_refused(train(tmp_path, *words[1:]) if words[0] == "train" else words, hint, tmp_path, capsys)


# A neuron's YAML, the source of the package that SNNBENCH_PLUGINS names (None: no package), a word of the sentence.
COMPONENTS = {
    "a package that does not import": (
        "_target_: plugin_0.Mine", "import a_module_that_nobody_has\n" + NEURON, "a_module_that_nobody_has"),
    "a package with a syntax error": ("_target_: plugin_1.Mine", NEURON + "def half(:\n", "1.py, line 7"),
    "a package without the class": ("_target_: plugin_2.Mine", NEURON.replace("Mine", "Yours"), "names nothing"),
    "a YAML with a syntax error": ("_target_: [snnbench.neurons.lif.LIF\ntau: 2.0", None, "toy.yaml"),
    "a YAML that is a list": ("- 1\n- 2", None, "neuron"),
    "a YAML without a target": ("tau: 2.0", None, "has no _target_"),
    "a YAML that names no class": ("_target_: snnbench.neurons.lif.Nobody", None, "names nothing"),
    "a YAML with an unknown argument": (
        "_target_: snnbench.neurons.lif.LIF\ntaux: 2.0", None, "the nearest is neuron.tau"),
}  # fmt: skip


@pytest.mark.parametrize("broken", COMPONENTS)
def test_a_broken_component_is_one_sentence_and_leaves_nothing(broken, tmp_path, monkeypatch, capsys):
    text, source, hint = COMPONENTS[broken]
    shutil.copytree(configs_dir(), tmp_path / "configs")
    write(tmp_path / "configs" / "neuron" / "toy.yaml", f"# Toy\n{text}\n")
    for module in ("compose", "plugins"):
        monkeypatch.setattr(f"snnbench.config.{module}.configs_dir", lambda: tmp_path / "configs")
    if source is not None:
        name = text.split()[1].removesuffix(".Mine")  # each another name: modules are read once a process
        write(tmp_path / f"{name}.py", source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("SNNBENCH_PLUGINS", name)
    assert_refused(train(tmp_path, "neuron=toy"), hint, tmp_path, capsys)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_broken_in_the_middle_of_training_is_named(workers, tmp_path, capsys):
    """Nobody opens a million pictures before training: the run ends as failed, with the sentence in its record."""
    for part in ("train", "val"):
        for wnid in ("n01", "n02"):
            path = write(tmp_path / "imagenet" / part / wnid / "a.JPEG", b"")
            Image.new("RGB", (40, 40)).save(path, "JPEG")
    broken = write(tmp_path / "imagenet" / "train" / "n02" / "a.JPEG", b"\xff\xd8 not a picture")
    overrides = ["data=imagenet", "data.num_classes=2", "data.shape=[3,32,32]", "train.batch_size=2",
                 f"data.num_workers={workers}", "measure.operations=false"]  # fmt: skip
    assert main(train(tmp_path, *overrides)) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    assert str(broken) in lines[0]
    (found,) = (tmp_path / "runs").rglob("run.json")
    assert json.loads(found.read_text())["status"] == "failed"
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["method=slayer", "objective=spike_time", "T=2"], "objective.first=2 leaves no target spike within T=2"),
        (["method=slayer", "objective=van_rossum", "T=4"], "objective.first=4 leaves no target spike within T=4"),
        (["method=slayer", "objective=num_spikes", "objective.stop=3.0", "T=2"], "no region within T=2"),
        (["encoder=column", "model=csnn_1d", "T=4"], "T=4, but images have 8 columns; set T=8"),
        ([*SMALL, "optimizer.momentum=0", "optimizer.nesterov=true"], "Nesterov momentum requires a momentum"),
        (["method=superspike", "model.hidden=[8,8]", "T=6"], "set T=7 or more"),
        (["method=slayer", "model.hidden=[8]", "neuron=cuba_lif", "T=2"], "T=2 is too short"),
        (["model=cuba_mlp_leaky", "model.hidden=[8]", "T=3"], "set T=4 or more"),
        (["train.accelerator=cuda"], "no CUDA device is visible"),
        ([*SMALL, "train.ckpt_path=''"], "train.ckpt_path= is no file"),
        ([*SMALL, "train.batch_size=100000", "data.drop_last=true"], "leaves no training batch"),
    ],
)
def test_values_that_do_not_fit_each_other_leave_no_run_behind(overrides, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert_refused(["train", *overrides, f"paths.runs={tmp_path / 'runs'}"], words, tmp_path, capsys)
