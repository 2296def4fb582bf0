"""A run that starts from the weights of another run: its weights, its record, its resume, and what is refused."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch

from snnbench.cli.main import main
from snnbench.config.compose import compose
from tests.train.conftest import SMALL, only_run, record
from tests.train.test_broken_inputs import tree

SHORT = ["train.limit_train_batches=2", "train.epochs=1", "measure.operations=false"]
STILL = ["optimizer.lr=0.0", "norm.momentum=0.0"]  # the network that is saved is the one that the run began with


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("source")
    assert main(["train", *SMALL, *SHORT, "T=1", f"paths.runs={root}"]) == 0
    return only_run(root)


def started(source, *overrides):
    return ["train", *SMALL, *SHORT, f"start.run={source}", "log.progress=lines", *overrides]


def weights(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def without_counts(state):
    """BatchNorm counts its batches, and both runs trained some."""
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_at_another_t_begins_with_the_other_runs_weights(source, tmp_path, precision, capsys):
    assert main([*started(source, *STILL, f"train.precision={precision}"), f"paths.runs={tmp_path}"]) == 0
    found, expected = (without_counts(weights(folder)) for folder in (only_run(tmp_path), source))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    ours, theirs = record(only_run(tmp_path)), record(source)
    about = ours["start"]
    assert (ours["time_steps"], about["time_steps"]) == (2, 1)
    assert (about["run_id"], about["acc_test"]) == (theirs["run_id"], theirs["acc_last"])
    assert (len(about["weights_sha256"]), about["part"], about["tensors_left"]) == (64, "all", [])
    assert about["tensors"] == len(weights(source))
    assert ours["config"]["start"]["identity"].split()[1] == theirs["run_id"]
    assert f"start: {about['tensors']} of {about['tensors']} tensors come from {source}" in capsys.readouterr().out
    assert theirs["start"] == {}


def test_part_fitting_takes_what_fits_and_names_the_rest(source, tmp_path, capsys):
    other = ["model.widths=[8,8,16]", "start.part=fitting"]
    assert main([*started(source, *STILL, *other), f"paths.runs={tmp_path}"]) == 0
    found, theirs = weights(only_run(tmp_path)), weights(source)
    left = {f"model.{name}" for name in record(only_run(tmp_path))["start"]["tensors_left"]}
    assert left == {name for name, value in found.items() if value.shape != theirs[name].shape}
    same = without_counts({name: value for name, value in found.items() if name not in left})
    assert same
    assert all(torch.equal(value, theirs[name]) for name, value in same.items())
    assert f"{len(left)} did not fit and keep their initial values: " in capsys.readouterr().out


def test_the_hash_knows_the_start_by_its_weights_alone(source, tmp_path):
    elsewhere, other = tmp_path / "elsewhere", tmp_path / "other"
    shutil.copytree(source, elsewhere)
    shutil.copytree(source, other)
    (other / "checkpoints" / "last.ckpt").write_bytes(b"other weights")
    plain, here, there, changed, fitting = (
        compose([*SMALL, *start]).identity
        for start in ([], [f"start.run={source}"], [f"start.run={elsewhere}/"], [f"start.run={other}"],
                      [f"start.run={source}", "start.part=fitting"])
    )  # fmt: skip
    assert here.config_hash == there.config_hash
    assert len({one.config_hash for one in (plain, here, changed, fitting)}) == 4
    assert here.recipe_hash == changed.recipe_hash != plain.recipe_hash


def test_without_a_start_the_section_changes_no_hash():
    plain = compose(SMALL)
    assert compose([*SMALL, "start.part=fitting", "start.weights=best"]).identity == plain.identity
    assert plain.config["start"]["run"] is None


def test_resume_goes_on_with_its_own_weights(source, tmp_path, cut_off, capsys):
    command = started(source, "train.epochs=2")
    assert main([*command, f"paths.runs={tmp_path / 'whole'}"]) == 0
    halved = [*command, f"paths.runs={tmp_path / 'halved'}"]
    cut_off(halved)
    capsys.readouterr()
    assert main(halved) == 0
    assert "start: " not in capsys.readouterr().out
    expected, found = (only_run(tmp_path / root) for root in ("whole", "halved"))
    assert all(torch.equal(value, weights(found)[name]) for name, value in weights(expected).items())
    assert record(found)["start"] == record(expected)["start"]


def test_a_start_that_the_recipe_knows_nothing_of_is_a_deviation(source, tmp_path):
    """The recipe's own values stay, and so do those of a run that follows no recipe."""
    recipe = ["train", "experiment=stbp/digits", "train.epochs=1", "train.limit_train_batches=1",
              "measure.operations=false", "train.accelerator=cpu", "T=1"]  # fmt: skip
    assert main([*recipe, f"paths.runs={tmp_path / 'one'}"]) == 0
    folder = only_run(tmp_path / "one")
    assert main([*recipe, f"start.run={folder}", f"paths.runs={tmp_path / 'two'}"]) == 0
    found, before = record(only_run(tmp_path / "two"))["deviations"], record(folder)["deviations"]
    assert found == before | {"start.experiment": [None, "stbp/digits"]}
    assert main([*started(source), f"paths.runs={tmp_path / 'three'}"]) == 0
    assert record(only_run(tmp_path / "three"))["deviations"] == {}


def test_two_processes_start_from_the_same_weights(source, tmp_path):
    command = [*started(source, *STILL, "norm.sync=true"), f"paths.runs={tmp_path}"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*launcher, "-m", "snnbench", *command], env=environment, capture_output=True, text=True, timeout=200
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("start: ") == 1
    found, expected = (without_counts(weights(folder)) for folder in (only_run(tmp_path), source))
    assert record(only_run(tmp_path))["device"]["count"] == 2
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def edited(source, place, **changes):
    """A copy of the source's run with other values in its record."""
    folder = place / "copy"
    shutil.copytree(source, folder)
    (folder / "run.json").write_text(json.dumps(record(folder) | changes))
    return folder


def cut(source, place):
    path = edited(source, place) / "checkpoints" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:-200])
    return place / "copy"


# (the folder to start from, further overrides, a word of the sentence)
REFUSALS = {
    "missing": (lambda s, p: p / "nowhere", [], "is no run folder"),
    "unfinished": (lambda s, p: edited(s, p, status="failed"), [], "not finished (its status is failed)"),
    "no checkpoint": (lambda s, p: shutil.rmtree(edited(s, p) / "checkpoints") or p / "copy", [], "last.ckpt does not"),
    "cut off": (cut, [], "cannot be read as a checkpoint"),
    "damaged": (lambda s, p: edited(s, p, config={"T": 4}), [], "no configuration that can be run"),
    "other widths": (lambda s, p: s, ["model.widths=[8,8,16]"], "start.part=fitting"),
    "other model": (lambda s, p: s, ["model=stbp_mlp", "~model.widths", "start.part=fitting"], "none of its weights"),
    "other fold": (lambda s, p: s, ["data.fold=1"], "data.fold=0, this run's is 1"),
    "insisting": (lambda s, p: s, ["start.identity='a b c'"], "is another run"),
    "recipe": (lambda s, p: "null", ["start.experiment=stbp/digits"], "train experiment=stbp/digits`, then add"),
    "typo": (lambda s, p: s, ["start.part=some"], "one of all, fitting"),
    "typo in a key": (lambda s, p: s, ["start.weight=last"], "the nearest is start.weights"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_are_one_sentence_and_leave_nothing(source, tmp_path, capsys, case):
    make, overrides, hint = REFUSALS[case]
    folder = make(source, tmp_path)
    before = tree(tmp_path)
    command = [part for part in started(folder) if not ("~model.widths" in overrides and "model." in part)]
    replaced = {override.split("=")[0] for override in overrides}
    command = [part for part in command if part.split("=")[0] not in replaced]
    overrides = [override for override in overrides if override != "~model.widths"]
    assert main([*command, *overrides, f"paths.runs={tmp_path / 'runs'}"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert hint in lines[0]
    assert tree(tmp_path) == before


def test_a_grid_whose_start_is_not_named_starts_no_job(tmp_path, capsys):
    command = ["train", "-m", *SMALL, "start.experiment=stbp/digits", "seed=0,1", f"paths.runs={tmp_path}"]
    assert main(command) == 2
    assert "names no run to start from" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_record_without_the_section_is_still_a_teacher_and_can_be_evaluated(source, tmp_path):
    """Records of older versions know no start."""
    config = {key: value for key, value in record(source)["config"].items() if key != "start"}
    folder = edited(source, tmp_path, config=config)
    assert main(["eval", f"run={folder}"]) == 0
    assert main([*started(folder), f"paths.runs={tmp_path / 'runs'}"]) == 0
