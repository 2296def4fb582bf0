"""scripts/regenerate.py: its stages name what exists, and a student waits for its teacher."""

import importlib.util
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from snnbench.config.catalogue import options

SCRIPT = Path(__file__).parents[2] / "scripts" / "regenerate.py"


@pytest.fixture
def regenerate(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("regenerate", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "regenerate", module)
    spec.loader.exec_module(module)
    monkeypatch.setenv("RUNS", str(tmp_path))
    return module


def test_the_survey_s_rows_are_its_recipes(regenerate):
    recipes = {name.removeprefix("survey/") for name in options("experiment") if name.startswith("survey/")}
    rows = {f"{task}_{method}" for task in regenerate.TASKS for method in regenerate.SHORT}
    assert {name for name in recipes if not name.startswith("shd")} <= rows
    assert set(regenerate.FULL) <= set(regenerate.SHORT)
    for axis, names in (("neuron", "NEURONS"), ("surrogate", "SURROGATES"), ("experiment", "OWN_NETS")):
        assert set(getattr(regenerate, names).split(",")) <= set(options(axis))


def test_some_methods_of_a_stage_with_the_teacher_first(regenerate):
    jobs = regenerate.jobs_of("survey_short=response_distillation,if")
    teachers = [job for job in jobs if job.arguments[1].endswith("_ann")]
    assert jobs[: len(teachers)] == teachers
    assert {str(job.teacher) for job in jobs if "distillation" in str(job)} == {str(t.folder()) for t in teachers}
    assert [str(job) for job in regenerate.jobs_of("bench work=csnn")] == ["bench work=csnn"]


@pytest.mark.parametrize(("stage", "sentence"), [
    ("survey_shrot", "no stage 'survey_shrot': choose of"), ("survey_short=lfi", "survey_short has no method 'lfi'"),
    ("neurons=lif", "no stage 'neurons=lif'"), ("evidence=many", "evidence=many must be a number of minutes"),
])  # fmt: skip
def test_a_stage_that_does_not_exist(regenerate, stage, sentence, capsys):
    assert regenerate.main([stage]) == 2
    assert sentence in capsys.readouterr().err


def test_a_student_waits_and_goes_down_with_its_teacher(regenerate, capsys):
    teacher, *students = [
        job for job in regenerate.survey(1, ["response_distillation"]) if "sequential" not in str(job)
    ]
    queue = regenerate.Queue([teacher, *students])
    assert queue.take() is teacher
    assert queue.take() is None
    assert queue.jobs == students
    queue.ended(teacher, code=1)
    assert queue.take() is None
    assert queue.failed == [teacher, *students]


def test_every_row_of_the_evidence_composes_and_has_a_length(regenerate, monkeypatch):
    monkeypatch.setattr(regenerate, "load_records", lambda folder: [])
    jobs = regenerate.evidence()
    assert all(job.seconds > 0 for job in jobs)
    assert len({str(job) for job in jobs}) == len(jobs)


def test_evidence_is_what_has_no_record_yet(regenerate, monkeypatch, tmp_path):
    rows = ["data=digits seed=3", "data=digits seed=4", "data=digits seed=4 neuron=if"]
    (tmp_path / "evidence.csv").write_text("run,teacher,minutes\n" + "".join(f"{row},,2\n" for row in rows))
    monkeypatch.setattr(regenerate, "EVIDENCE", tmp_path / "evidence.csv")
    monkeypatch.setattr(regenerate, "load_records", lambda folder: [])
    everything = regenerate.evidence()
    assert [str(job) for job in everything] == [f"train {row}" for row in rows]
    done = SimpleNamespace(config_hash=everything[1].folder().name.rsplit("-s", 1)[0], seed=4, status="done")
    failed = SimpleNamespace(config_hash=everything[0].folder().name.rsplit("-s", 1)[0], seed=3, status="failed")
    monkeypatch.setattr(regenerate, "load_records", lambda folder: [done, failed])
    assert regenerate.evidence() == [everything[0], everything[2]]


def test_a_run_that_cannot_end_in_time_is_left_out(regenerate):
    short, long = (regenerate.Job(["train", "data=digits", f"seed={seed}"], seconds=60 * (1 + seed)) for seed in (0, 9))
    queue = regenerate.Queue([long, short], deadline=time.time() + 120)
    assert queue.take() is short
    assert queue.take() is None
    assert queue.left_out == [long]
    teacher = regenerate.Job(["train", "data=digits"], seconds=60, seconds_after=90)
    student = regenerate.Job(["train", "data=digits", "seed=1"], teacher=teacher.folder(), seconds=1)
    queue = regenerate.Queue([teacher, student], deadline=time.time() + 120)
    assert queue.take() is None
    assert (queue.left_out, queue.failed) == ([teacher, student], [])
