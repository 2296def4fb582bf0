"""A run that starts from the weights of another run: its weights, its record, its resume, and what is refused."""

import shutil

import pytest
import torch

from snnbench.cli.main import main
from snnbench.config.compose import compose
from tests.train.conftest import SMALL, assert_refused, assert_same_weights, changed, only_run, record, weights
from tests.train.other_runs import UNUSABLE, edited

SHORT = ["train.limit_train_batches=2", "train.epochs=1", "measure.operations=false"]
STILL = ["optimizer.lr=0.0", "norm.momentum=0.0"]  # the network that is saved is the one that the run began with


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("source")
    assert main(["train", *SMALL, *SHORT, "T=1", f"paths.runs={root}"]) == 0
    return only_run(root)


def started(source, *overrides):
    return ["train", *SMALL, *SHORT, f"start.run={source}", "log.progress=lines", *overrides]


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
    elsewhere, retrained = (shutil.copytree(source, tmp_path / name) for name in ("elsewhere", "retrained"))
    (retrained / "checkpoints" / "last.ckpt").write_bytes(b"other weights")
    plain, here, there, other, fitting = (
        compose([*SMALL, *start]).identity
        for start in ([], [f"start.run={source}"], [f"start.run={elsewhere}/"], [f"start.run={retrained}"],
                      [f"start.run={source}", "start.part=fitting"])
    )  # fmt: skip
    assert here.config_hash == there.config_hash
    assert len({one.config_hash for one in (plain, here, other, fitting)}) == 4
    assert here.recipe_hash == other.recipe_hash != plain.recipe_hash
    assert compose([*SMALL, "start.part=fitting", "start.weights=best"]).identity == plain, "a start of nothing"


def test_resume_goes_on_with_its_own_weights(source, tmp_path, cut_off, capsys):
    command = started(source, "train.epochs=2")
    assert main([*command, f"paths.runs={tmp_path / 'whole'}"]) == 0
    halved = [*command, f"paths.runs={tmp_path / 'halved'}"]
    cut_off(halved)
    capsys.readouterr()
    assert main(halved) == 0
    assert "start: " not in capsys.readouterr().out
    assert_same_weights(tmp_path / "whole", tmp_path / "halved")
    expected, found = (only_run(tmp_path / root) for root in ("whole", "halved"))
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


def test_two_processes_start_from_the_same_weights(source, in_two_processes, tmp_path):
    printed = in_two_processes(*started(source, *STILL, "norm.sync=true"), f"paths.runs={tmp_path / 'runs'}")
    assert "".join(printed).count("start: ") == 1
    found, expected = (without_counts(weights(folder)) for folder in (tmp_path / "runs", source))
    assert record(only_run(tmp_path / "runs"))["device"]["count"] == 2
    assert all(torch.equal(found[name], expected[name]) for name in expected)


# (how the folder of the run to start from is made of a good one, overrides, a word of the sentence)
REFUSALS = {name: (make, [], hint) for name, (make, hint) in UNUSABLE.items()} | {
    "other widths": (None, ["model.widths=[8,8,16]"], "start.part=fitting"),
    "other model": (None, ["model=stbp_mlp", "~model.widths", "start.part=fitting"], "none of its weights"),
    "other fold": (None, ["data.fold=1"], "data.fold=0, this run's is 1"),
    "insisting": (None, ["start.identity='a b c'"], "is another run"),
    "recipe": (None, ["start.run=null", "start.experiment=stbp/digits"], "train experiment=stbp/digits`, then add"),
    "nobody in a grid": (None, ["-m", "seed=0,1", "start.run=null", "start.experiment=stbp/digits"],
                         "names no run to start from"),
    "typo": (None, ["start.part=some"], "one of all, fitting"),
    "typo in a key": (None, ["start.weight=last"], "the nearest is start.weights"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_are_one_sentence_and_leave_nothing(source, tmp_path, capsys, case):
    make, overrides, hint = REFUSALS[case]
    folder = make(source, tmp_path) if make else source
    command = changed([*started(folder), f"paths.runs={tmp_path / 'runs'}"], overrides)
    assert_refused(command, hint, tmp_path, capsys)


def test_a_record_without_the_section_is_still_a_teacher_and_can_be_evaluated(source, tmp_path):
    """Records of older versions know no start."""
    config = {key: value for key, value in record(source)["config"].items() if key != "start"}
    folder = edited(source, tmp_path, config=config)
    assert main(["eval", f"run={folder}"]) == 0
    assert main([*started(folder), f"paths.runs={tmp_path / 'runs'}"]) == 0
