"""scripts/regenerate.py: its stages name what exists, and a student waits for its teacher."""

import importlib.util
import sys
import threading
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


def test_neurons_and_surrogates_are_options(regenerate):
    assert set(regenerate.NEURONS.split(",")) <= set(options("neuron"))
    assert set(regenerate.SURROGATES.split(",")) <= set(options("surrogate"))
    assert set(regenerate.OWN_NETS.split(",")) <= set(options("experiment"))


def test_some_methods_of_a_stage_with_the_teacher_first(regenerate):
    jobs = regenerate.jobs_of("survey_short=response_distillation,if")
    teachers = [job for job in jobs if job.arguments[1].endswith("_ann")]
    assert jobs[: len(teachers)] == teachers
    assert {str(job.teacher) for job in jobs if "distillation" in str(job)} == {str(t.folder()) for t in teachers}
    assert [str(job) for job in regenerate.jobs_of("bench work=csnn")] == ["bench work=csnn"]


@pytest.mark.parametrize(("stage", "sentence"), [
    ("survey_shrot", "no stage 'survey_shrot': choose of"), ("survey_short=lfi", "survey_short has no method 'lfi'"),
    ("neurons=lif", "no stage 'neurons=lif'"),
])  # fmt: skip
def test_a_stage_that_does_not_exist(regenerate, stage, sentence, capsys):
    assert regenerate.main([stage]) == 2
    assert sentence in capsys.readouterr().err


def test_a_student_waits_and_goes_down_with_its_teacher(regenerate, capsys):
    teacher, *students = [
        job for job in regenerate.survey(1, ["response_distillation"]) if "sequential" not in str(job)
    ]
    queue = regenerate.Queue([teacher, *students])
    taken, folder = queue.take()
    assert taken is teacher
    rest = []
    waiting = threading.Thread(target=lambda: rest.append(queue.take()))
    waiting.start()
    waiting.join(0.8)
    assert waiting.is_alive()
    queue.ended(teacher, folder, code=1)
    waiting.join(30)
    assert rest == [None]
    assert queue.failed == [str(job) for job in (teacher, *students)]


def test_evidence_is_what_has_no_record_yet(regenerate, monkeypatch):
    jobs = regenerate.evidence()
    assert all(job.seconds > 0 for job in jobs)
    monkeypatch.setattr(regenerate, "load_records", lambda folder: [])
    everything = {str(job) for job in regenerate.evidence()}
    assert {str(job) for job in jobs} <= everything
    done = next(job for job in regenerate.evidence() if job.teacher is None)
    record = SimpleNamespace(config_hash=done.folder().name.rsplit("-s", 1)[0], seed=2020, status="done", experiment="")
    monkeypatch.setattr(regenerate, "load_records", lambda folder: [record])
    assert everything - {str(job) for job in regenerate.evidence()} == {str(done)}


def test_a_run_that_cannot_end_in_time_is_left_out(regenerate):
    short, long = (regenerate.Job(["train", "data=digits", f"seed={seed}"], seconds=60 * (1 + seed)) for seed in (0, 9))
    queue = regenerate.Queue([long, short], deadline=time.time() + 120)
    assert queue.take()[0] is short
    assert queue.take() is None
    assert queue.left_out == [str(long)]
    teacher = regenerate.Job(["train", "data=digits"], seconds=60, seconds_after=90)
    student = regenerate.Job(["train", "data=digits", "seed=1"], teacher=teacher.folder(), seconds=1)
    queue = regenerate.Queue([teacher, student], deadline=time.time() + 120)
    assert queue.take() is None
    assert (queue.left_out, queue.failed) == ([str(teacher), str(student)], [])


def test_minutes_of_evidence_are_a_number(regenerate, capsys):
    assert regenerate.main(["evidence=many"]) == 2
    assert "evidence=many must be a number of minutes" in capsys.readouterr().err
