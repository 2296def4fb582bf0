"""Repeat the GPU runs behind results/: `python scripts/regenerate.py STAGE...`, e.g. `... survey_short neurons`.

A stage is a name in STAGES or, in quotes, any command of snnbench: "bench work=survey_nets". The stages of the survey
can be limited to some methods: survey_full=lif,psn.

`evidence=MINUTES` runs the experiments that the tables still lack, in the order of scripts/evidence.csv. It starts
those that have no record yet and can end within this many minutes on the GPUs of this host. `evidence` runs all.

RUNS names the folder of the runs (default runs). The output of each job goes to RUNS/logs. The record of each
successful run is copied to results/records at once. Each GPU runs one job at a time.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

from snnbench.cli.grid import expand, visible_gpus
from snnbench.cli.queue import Job, Queue, run_queue
from snnbench.config.compose import compose
from snnbench.config.paths import configs_dir, results_dir
from snnbench.errors import ConfigError
from snnbench.records import RunRecord, keep, load_record, load_records
from snnbench.train import signals

EVIDENCE = Path(__file__).with_name("evidence.csv")
TASKS = ("cifar10", "sequential_cifar10")
SHORT = (
    *("ann", "lif", "psn", "sliding_psn", "tebn", "clif", "osr", "if", "block_alif", "feature_distillation"),
    *("response_distillation", "tandem", "clif_survey", "response_distillation_survey", "tandem_survey"),
)
FULL = ("ann", "lif", "psn", "sliding_psn", "tebn", "clif", "osr", "feature_distillation")
NEURONS = "lif,if,plif,glif,clif,psn,masked_psn,sliding_psn,alif,block_alif,mlf"
SURROGATES = "sigmoid,fast_sigmoid,rectangle,triangle,gaussian,dspike,exp_abs"
OWN_NETS = "stbp/digits,superspike/digits,slayer/digits,s4nn/digits"


def runs_folder() -> str:
    return os.environ.get("RUNS", "runs")


def job_of(*arguments: str, **expected) -> Job:
    return Job(list(arguments), runs=runs_folder(), **expected)


def trainings(*overrides: str) -> list[Job]:
    return [job_of("train", *job) for job in expand(list(overrides))]


def survey(epochs: int, methods: list[str]) -> list[Job]:
    """Every recipe of both tasks that reproduces a row of the survey, with one seed. Teachers run first."""
    jobs, teachers = [], {}
    wants_teacher = any("distillation" in method for method in methods)
    for method in ["ann"] * wants_teacher + [method for method in methods if method != "ann" or not wants_teacher]:
        for task in TASKS:
            recipe = f"survey/{task}_{method}"
            if not (configs_dir() / "experiment" / f"{recipe}.yaml").exists():
                continue
            if compose([f"experiment={recipe}"]).config["reproduces"] is None:  # it reproduces no row of the survey
                continue
            job = job_of("train", f"experiment={recipe}", f"train.epochs={epochs}")
            if method == "ann":
                teachers[task] = job.folder()
            elif "distillation" in method:
                job.teacher = teachers[task]
            jobs.append(job)
    return jobs


STAGES = {
    # measure speed and memory: the table, kernels, scaling, the survey's speed study and speed rows
    "bench": lambda: [job_of("bench", "work=all")],
    # compare the fused path with the reference path, three seeds each
    "parity": lambda: trainings(
        "experiment=survey/cifar10_lif", "train.epochs=20", "seed=2020,1,2", "kernels=auto,reference"
    ),
    "speedrun": lambda: trainings("experiment=speedrun/cifar10", "seed=range(5)"),
    # every row of the survey's two CIFAR tables, with 32 epochs
    "survey_short": lambda methods=SHORT: survey(32, list(methods)),
    # some of these rows with their full 256 epochs
    "survey_full": lambda methods=FULL: survey(256, list(methods)),
    # every neuron, then every surrogate, in one network with few epochs
    "neurons": lambda: [
        *trainings("experiment=neurons/cifar10", f"neuron={NEURONS}"),
        *trainings("experiment=neurons/cifar10", f"surrogate={SURROGATES}"),
    ],
    # on scanned digits, five folds each (runs on a CPU, too)
    "own_nets": lambda: trainings(f"experiment={OWN_NETS}", "seed=range(5)"),
}


def evidence() -> list[Job]:
    """The runs in scripts/evidence.csv that have no finished record in results/records.

    The teacher of a student is trained again if its run folder is missing, because a record holds no weights.
    """
    records = [record for record in load_records(results_dir() / "records") if record.status == "done"]
    finished = {(record.config_hash, record.seed) for record in records}
    jobs: list[Job] = []
    with EVIDENCE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    seconds = {row["run"]: 60 * float(row["minutes"]) for row in rows}
    for row in rows:
        job = job_of("train", *row["run"].split(), seconds=seconds[row["run"]])
        # the hash of a student is unknown without its teacher's run: compare recipe and seed
        if row["teacher"]:
            teaching = seconds.get(row["teacher"], 0.0)
            teacher = job_of("train", *row["teacher"].split(), seconds=teaching, seconds_after=job.seconds)
            job.teacher = teacher.folder()
            if _has_record(job, records):
                continue
            if not (job.teacher / "run.json").exists() and str(teacher) not in map(str, jobs):
                jobs.append(teacher)
        else:
            composed = job.composed
            if (composed.identity.config_hash, composed.config["seed"]) in finished:
                continue
        if str(job) not in map(str, jobs):
            jobs.append(job)
    return jobs


def _has_record(student: Job, records: list[RunRecord]) -> bool:
    """Whether a finished record has the experiment, seed and epochs of this student."""
    config = compose(student.arguments[1:]).config
    experiment = student.arguments[1].removeprefix("experiment=")
    return any(
        record.experiment == experiment and not record.deviations
        and (record.seed, record.config["train"]["epochs"]) == (config["seed"], config["train"]["epochs"])
        for record in records
    )  # fmt: skip


def jobs_of(stage: str) -> list[Job]:
    """The jobs of a stage or of a command. Raises ConfigError for any other text."""
    if stage.startswith(("train ", "bench ")):
        return [job_of(*stage.split())]
    name, _, methods = stage.partition("=")
    if name == "evidence":
        return evidence()
    if name not in STAGES or (methods and not name.startswith("survey_")):
        raise ConfigError(f"no stage '{stage}': choose of {', '.join([*STAGES, 'evidence'])} or quote a command")
    known = sorted({*SHORT, *FULL})
    for method in filter(None, methods.split(",")):
        if method not in known:
            raise ConfigError(f"{name} has no method '{method}': choose of {', '.join(known)}")
    return STAGES[name](methods.split(",")) if methods else STAGES[name]()


def deadline_of(stages: list[str]) -> float | None:
    """The time by which all runs of the evidence stage must end, or None. Raises ConfigError if it is no number."""
    for stage in stages:
        name, _, minutes = stage.partition("=")
        if name == "evidence" and minutes:
            try:
                return time.time() + 60 * float(minutes)
            except ValueError:
                raise ConfigError(f"evidence={minutes} must be a number of minutes, e.g. evidence=25") from None
    return None


def keep_record(folder: Path) -> None:
    """Copy the record of a finished run to the committed records."""
    if load_record(folder / "run.json").status == "done":
        print(f"kept   {keep(folder, results_dir() / 'records')}", flush=True)


def main(stages: list[str]) -> int:
    if not stages:
        print(f"{__doc__}\nstages: {', '.join([*STAGES, 'evidence'])}")
        return 2
    try:
        deadline = deadline_of(stages)
        jobs = [job for stage in stages for job in jobs_of(stage)]
        queue = Queue(jobs, deadline, keep_record)
    except ConfigError as error:
        print(f"regenerate: {error}", file=sys.stderr)
        return 2
    gpus = visible_gpus() or [None]
    print(f"{len(jobs)} jobs on {len(gpus)} GPUs, runs in {runs_folder()}", flush=True)
    code = 0
    try:
        with signals.obeyed():
            run_queue(queue, gpus)
    except SystemExit as stop:  # all jobs have ended; the runs that finished go into the tables
        code = stop.code
    subprocess.run([sys.executable, "-m", "snnbench", "tables"], check=True, stdout=subprocess.DEVNULL)
    for job in queue.left_out:
        print(f"left out, too long for the time that was left: {job}")
    for job in queue.failed:
        print(f"failed: {job}", file=sys.stderr)
    return code or (1 if queue.failed else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
