"""A student and its teacher through the command line: identity, record, checkpoint, resume, refusals."""

import json
import shutil

import pytest
import torch

from snnbench.build import build_data, build_model, build_objective, build_teacher
from snnbench.cli.main import main
from snnbench.config import identity
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.teachers.recorded import RunTeacher
from snnbench.train.run import build_task
from tests.train.conftest import SMALL, assert_refused, assert_same_weights, changed, only_run, record, weights
from tests.train.other_runs import UNUSABLE, edited

SHORT = ["train.limit_train_batches=4", "log.progress=lines"]
TWIN = [*SMALL, *SHORT, "neuron=relu", "T=1", "train.epochs=1", "measure.operations=false"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    root = tmp_path_factory.mktemp("teacher")
    assert main(["train", *TWIN, f"paths.runs={root}"]) == 0
    return only_run(root)


def student(teacher, *overrides, objective="kd_response"):
    return [*SMALL, *SHORT, "train.epochs=2", f"objective={objective}", "teacher=run", f"teacher.run={teacher}",
            *overrides]  # fmt: skip


@pytest.mark.parametrize("objective", ["kd_response", "feature_mse", "kd_feature"])
def test_a_distilled_run_and_its_record(teacher, tmp_path, objective):
    """Its evaluation needs no teacher."""
    copied, runs = shutil.copytree(teacher, tmp_path / "teacher"), tmp_path / "runs"
    assert main(["train", *student(copied, objective=objective), "augment.mixup=0.2", f"paths.runs={runs}"]) == 0
    shutil.rmtree(copied)
    folder = only_run(runs)
    found, theirs = record(folder), record(teacher)
    same = ("run_id", "config_hash", "seed", "git_commit", "time_steps")
    assert [found["teacher"][key] for key in same] == [theirs[key] for key in same]
    assert found["teacher"]["acc_test"] == theirs["acc_last"]
    assert len(found["teacher"]["weights_sha256"]) == 64
    assert found["choices"]["teacher"] == "run"
    plain, _ = build_model(compose(SMALL).config)
    assert found["parameters"] == sum(p.numel() for p in plain.parameters())
    assert found["firing_rates"].keys() == plain.neurons().keys()
    assert set(found["operations"]["per_layer"]) <= {name for name, _ in plain.named_modules()}
    extra = {key.split(".")[1] for key in weights(folder) if not key.startswith("model.")}
    assert extra == ({"transforms"} if objective == "kd_feature" else set())
    assert main(["eval", f"run={folder}"]) == 0
    assert json.loads((folder / "eval.json").read_text())["acc_test"] == pytest.approx(found["acc_last"])


def test_a_weightless_teacher_changes_no_bit(teacher, tmp_path):
    plain = [*SMALL, *SHORT, "train.epochs=2", "measure.operations=false"]
    assert main(["train", *plain, f"paths.runs={tmp_path / 'plain'}"]) == 0
    taught = student(teacher, "objective.alpha=0.0", "measure.operations=false")
    assert main(["train", *taught, f"paths.runs={tmp_path / 'taught'}"]) == 0
    assert_same_weights(tmp_path / "plain", tmp_path / "taught")


@pytest.mark.parametrize("extra", [[], ["train.ema=0.9"]], ids=["plain", "ema"])
def test_resume_is_the_same_run(teacher, tmp_path, cut_off, extra):
    """kd_feature trains transforms beside the network, so their weights, momenta and statistics must come back."""
    command = student(teacher, "measure.operations=false", *extra, objective="kd_feature")
    assert main(["train", *command, f"paths.runs={tmp_path / 'whole'}"]) == 0
    halved = ["train", *command, f"paths.runs={tmp_path / 'halved'}"]
    cut_off(halved)
    assert main(halved) == 0
    assert any(key.startswith("objective.transforms") for key in weights(tmp_path / "whole"))
    assert_same_weights(tmp_path / "whole", tmp_path / "halved")


def test_identity_is_the_teacher_and_not_its_folder(teacher, tmp_path):
    elsewhere, other = (shutil.copytree(teacher, tmp_path / name) for name in ("elsewhere", "other"))
    (other / "checkpoints" / "last.ckpt").write_bytes(b"other weights")
    here, there, changed = (compose(student(run)).config for run in (teacher, f"{elsewhere}/", other))
    assert identity.config_hash(here) == identity.config_hash(there)
    assert identity.config_hash(here) != identity.config_hash(changed)
    assert identity.recipe_hash(here) == identity.recipe_hash(changed), "a repetition with another teacher's seed"
    best = compose(student(teacher, "teacher.weights=best")).config
    assert identity.recipe_hash(here) != identity.recipe_hash(best)
    assert identity.deviations(here, compose(student("null")).config) == {}
    assert "teacher" not in compose(SMALL).config, "runs without a teacher keep the hashes they had"
    pinned = f"teacher.identity='{here['teacher']['identity']}'"
    assert compose(student(elsewhere, pinned)).config["teacher"]["identity"] == here["teacher"]["identity"]
    with pytest.raises(ConfigError, match="is another run"):
        compose(student(other, pinned))


def test_a_teacher_is_built_from_its_own_configuration_and_stays_as_it_is(teacher):
    config = compose(student(teacher, objective="feature_mse")).config
    model, rule = build_model(config)
    state = torch.get_rng_state()
    built = build_teacher(config)
    objective = build_objective(config, model, built)
    assert torch.equal(state, torch.get_rng_state())
    assert isinstance(built, RunTeacher)
    assert type(next(iter(built.model.neurons().values()))).__name__ == "ReLU"
    assert built(torch.zeros(2, 1, 8, 8), None).shape == (1, 2, 10)
    expected = {key.removeprefix("model."): value for key, value in weights(teacher).items()}
    task = build_task(config, model, rule, build_data(config), objective, built)
    task.train()
    assert not built.training
    tally, loss = task.run_rule(torch.randn(6, 1, 8, 8), torch.randint(10, (6,)))
    assert loss > 0
    assert tally[0] == pytest.approx(6 * float(loss))
    assert all(torch.equal(value, expected[key]) for key, value in built.model.state_dict().items())
    assert all(p.grad is None for p in built.parameters())
    assert not {id(p) for p in built.parameters()} & {id(p) for p in task.parameters()}
    assert not any(key.startswith(("teacher", "_teacher")) for key in task.state_dict())


def test_one_encoded_sequence_where_student_and_teacher_encode_alike(teacher, tmp_path):
    assert main(["train", *TWIN, "T=2", "neuron=lif", f"paths.runs={tmp_path}"]) == 0
    assert build_teacher(compose(student(only_run(tmp_path), objective="kd_spike_train")).config).encoder is None
    assert build_teacher(compose(student(teacher)).config).encoder is not None


# (how the teacher's folder is made of a good one, overrides, a word of the sentence)
REFUSALS = {name: (make, [], hint) for name, (make, hint) in UNUSABLE.items()} | {
    "no neuron": (lambda t, p: edited(t, p, config__neuron={}), [], "no configuration that can be run"),
    "other net": (lambda t, p: edited(t, p, config__model__widths=[4, 4, 8]), [], "does not fit the network"),
    "other classes": (lambda t, p: edited(t, p, config__data__num_classes=7), [], "data.num_classes=7"),
    "other shape": (lambda t, p: edited(t, p, config__data__shape=[3, 8, 8]), [], "data.shape=[3, 8, 8]"),
    "other data": (None, ["data=cifar10"], "learnt from other data"),
    "other fold": (None, ["data.fold=1"], "data.fold=0, this run's is 1"),
    "nobody": (None, ["teacher.run=null"], "teacher.run=null names no teacher"),
    "nobody in a grid": (None, ["-m", "seed=0,1", "teacher.run=null"], "names no teacher"),
    "no objective": (None, ["objective=mean_ce"], "teacher=run does not fit the rest"),
    "no teacher": (None, ["~teacher", "~teacher.run"], "add teacher=run"),
    "values alone": (None, ["~teacher", "objective=mean_ce"], "add teacher=run"),
    "online": (None, ["rule=ottt"], "rule=bptt"),
    "layers": (None, ["objective=feature_mse", "objective.layers=[x]"], "x is no neuron layer"),
    "another T": (None, ["objective=kd_spike_train"], "the teacher has T=1"),
    "typo": (None, ["teacher.weights=first"], "one of best, last"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_are_one_sentence_and_leave_nothing(teacher, tmp_path, capsys, case):
    make, overrides, hint = REFUSALS[case]
    folder = make(teacher, tmp_path) if make else teacher
    command = changed(["train", *student(folder), f"paths.runs={tmp_path / 'runs'}"], overrides)
    assert_refused(command, hint, tmp_path, capsys)


def test_a_teacher_of_another_recipe_is_a_deviation(teacher, tmp_path):
    command = student(teacher, "teacher.experiment=survey/cifar10_ann", "measure.operations=false")
    assert main(["train", *command, f"paths.runs={tmp_path}"]) == 0
    theirs = record(teacher)["name"]
    assert record(only_run(tmp_path))["deviations"] == {"teacher.experiment": ["survey/cifar10_ann", theirs]}
