"""Run again what results/ holds from a GPU: `python scripts/regenerate.py STAGE...`, e.g. `... survey_short neurons`.

A stage is a name of STAGES or, in quotes, any command of snnbench: "bench work=survey_nets". The survey's stages take
some of its methods alone: survey_full=lif,psn.

Every GPU works through the same list, one job at a time; the next training starts its Python while the last epochs of
the one before run, so that no GPU waits for imports and speeds in the records (medians over epochs) stay those of a run
alone. Measurements of the bench share their GPU with nothing. A student waits for its teacher's run. Started again, it
runs what is missing and resumes what was cut off. At the end the records of finished runs are kept in results/records.
RUNS names the folder of the runs (default runs); what a job prints lies in RUNS/logs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from snnbench.cli.grid import expand, visible_gpus
from snnbench.config import identity
from snnbench.config.compose import compose
from snnbench.config.errors import ConfigError
from snnbench.config.paths import configs_dir
from snnbench.records import load_record

RUNS = os.environ.get("RUNS", "runs")
LEAD_S = 13.0  # what a training needs on such a machine until its first step
TASKS = ("cifar10", "sequential_cifar10")
SHORT = (
    *("ann", "lif", "psn", "sliding_psn", "tebn", "clif", "osr", "if", "block_alif", "feature_distillation"),
    *("response_distillation", "tandem", "clif_survey", "response_distillation_survey", "tandem_survey"),
)
FULL = ("ann", "lif", "psn", "sliding_psn", "tebn", "clif", "osr", "feature_distillation")
NEURONS = "lif,if,plif,glif,clif,psn,masked_psn,sliding_psn,alif,block_alif,mlf"
SURROGATES = "sigmoid,fast_sigmoid,rectangle,triangle,gaussian,dspike,exp_abs"
OWN_NETS = "stbp/digits,superspike/digits,slayer/digits,s4nn/digits"


@dataclass
class Job:
    """A command of snnbench; `teacher` is the run folder of the teacher that it needs."""

    arguments: list[str]
    teacher: Path | None = None

    def __str__(self) -> str:
        return " ".join(self.arguments)

    @property
    def is_training(self) -> bool:
        return self.arguments[0] == "train"

    def overrides(self) -> list[str]:
        given = [*self.arguments[1:], f"paths.runs={RUNS}"]
        return [*given, f"teacher.run={self.teacher}"] if self.teacher else given

    def command(self) -> list[str]:
        return ["train", *self.overrides()] if self.is_training else self.arguments

    def folder(self) -> Path:
        """The run folder of a training. Raises ConfigError where it does not compose, or its teacher is missing."""
        composed = compose(self.overrides())
        return identity.run_dir(composed.config, composed.choices)


def trainings(*overrides: str) -> list[Job]:
    return [Job(["train", *job]) for job in expand(list(overrides))]


def survey(epochs: int, methods: list[str]) -> list[Job]:
    """Every recipe of both tasks that the survey has a row for, one seed; teachers go first."""
    jobs, teachers = [], {}
    wants_teacher = any("distillation" in method for method in methods)
    for method in ["ann"] * wants_teacher + [method for method in methods if method != "ann" or not wants_teacher]:
        for task in TASKS:
            recipe = f"survey/{task}_{method}"
            if not (configs_dir() / "experiment" / f"{recipe}.yaml").exists():
                continue
            if compose([f"experiment={recipe}"]).config["reproduces"] is None:  # no row of the survey's
                continue
            job = Job(["train", f"experiment={recipe}", f"train.epochs={epochs}"])
            if method == "ann":
                teachers[task] = job.folder()
            elif "distillation" in method:
                job.teacher = teachers[task]
            jobs.append(job)
    return jobs


STAGES = {
    # speed and memory: the table, kernels, scaling, the survey's speed study and speed rows
    "bench": lambda: [Job(["bench", "work=all"])],
    # the fused path beside the reference path, three seeds each
    "parity": lambda: trainings(
        "experiment=survey/cifar10_lif", "train.epochs=20", "seed=2020,1,2", "kernels=auto,reference"
    ),
    "speedrun": lambda: trainings("experiment=speedrun/cifar10", "seed=range(5)"),
    # every row of the survey's two CIFAR tables over 32 epochs
    "survey_short": lambda methods=SHORT: survey(32, list(methods)),
    # some of them over their own 256 epochs
    "survey_full": lambda methods=FULL: survey(256, list(methods)),
    # every neuron, then every surrogate, in one network at one short protocol
    "neurons": lambda: [
        *trainings("experiment=neurons/cifar10", f"neuron={NEURONS}"),
        *trainings("experiment=neurons/cifar10", f"surrogate={SURROGATES}"),
    ],
    # on scanned digits, five folds each (a CPU will do)
    "own_nets": lambda: trainings(f"experiment={OWN_NETS}", "seed=range(5)"),
}


class Queue:
    """Jobs that wait, shared by the GPUs' threads."""

    def __init__(self, jobs: list[Job]):
        self.jobs, self.failed, self.lock = list(jobs), [], threading.Lock()
        self.teachers = {job.folder() for job in jobs if job.is_training and job.teacher is None}  # still to come

    def take(self) -> tuple[Job, Path | None] | None:
        """The first job that can start and its run folder; waits while only students are left whose teacher trains."""
        while True:
            with self.lock:  # Hydra composes one configuration at a time
                if not self.jobs:
                    return None
                job = next((job for job in self.jobs if job.teacher not in self.teachers), None)
                if job is not None:
                    self.jobs.remove(job)
                    try:
                        return job, job.folder() if job.is_training else None
                    except ConfigError as error:  # the teacher failed
                        print(f"{job}: {error}", file=sys.stderr)
                        self.failed.append(str(job))
                        continue
            time.sleep(0.5)

    def ended(self, job: Job, folder: Path | None, code: int) -> None:
        with self.lock:
            self.teachers.discard(folder)
            if code:
                self.failed.append(str(job))
        print(f"{'ok    ' if code == 0 else f'exit {code}'} {job}", flush=True)


def work(queue: Queue, gpu: str | None) -> None:
    """One GPU's thread."""
    ending: list[threading.Thread] = []
    while (taken := queue.take()) is not None:
        job, folder = taken
        if not job.is_training:
            wait(ending)
        process = start(job, gpu)
        thread = threading.Thread(target=lambda p=process, j=job, f=folder: queue.ended(j, f, p.wait()))
        thread.start()
        ending.append(thread)
        while process.poll() is None and not (folder and ends_within(LEAD_S, folder)):
            time.sleep(0.3)
        if not job.is_training:
            wait(ending)
    wait(ending)


def wait(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join()


def start(job: Job, gpu: str | None) -> subprocess.Popen:
    name = "_".join(job.arguments).replace("experiment=", "").replace("/", "_")
    log = Path(RUNS) / "logs" / f"{name}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ if gpu is None else os.environ | {"CUDA_VISIBLE_DEVICES": gpu}
    with log.open("a") as file:
        command = [sys.executable, "-m", "snnbench", *job.command()]
        return subprocess.Popen(command, env=environment, stdout=file, stderr=file, stdin=subprocess.DEVNULL)


def ends_within(seconds: float, folder: Path) -> bool:
    """Whether the training in this folder will be over by then, at the pace of its last epoch."""
    try:
        record, metrics = load_record(folder / "run.json"), folder / "metrics.csv"
        lines, written = metrics.read_text().splitlines(), metrics.stat().st_mtime
    except (OSError, ConfigError):
        return False  # it has not begun
    if len(lines) < 2:
        return False
    last = dict(zip(lines[0].split(","), lines[-1].split(",")))
    left = record.config["train"]["epochs"] - int(last["epoch"])
    return left * float(last["seconds"]) - (time.time() - written) < seconds


def jobs_of(stage: str) -> list[Job]:
    """Raises ConfigError for what is neither a stage nor a command."""
    if stage.startswith(("train ", "bench ")):
        return [Job(stage.split())]
    name, _, methods = stage.partition("=")
    if name not in STAGES or (methods and not name.startswith("survey_")):
        raise ConfigError(f"no stage '{stage}': choose of {', '.join(STAGES)} or quote a command")
    known = sorted({*SHORT, *FULL})
    for method in filter(None, methods.split(",")):
        if method not in known:
            raise ConfigError(f"{name} has no method '{method}': choose of {', '.join(known)}")
    return STAGES[name](methods.split(",")) if methods else STAGES[name]()


def main(stages: list[str]) -> int:
    if not stages:
        print(f"{__doc__}\nstages: {', '.join(STAGES)}")
        return 2
    try:
        jobs = [job for stage in stages for job in jobs_of(stage)]
        queue = Queue(jobs)
    except ConfigError as error:
        print(f"regenerate: {error}", file=sys.stderr)
        return 2
    gpus = visible_gpus() or [None]
    print(f"{len(jobs)} jobs on {len(gpus)} GPUs", flush=True)
    threads = [threading.Thread(target=work, args=(queue, gpu)) for gpu in gpus]
    for thread in threads:
        thread.start()
    wait(threads)
    done = [path.parent for path in Path(RUNS).rglob("run.json") if load_record(path).status == "done"]
    for command in [*(["keep", f"run={folder}"] for folder in sorted(done)), ["tables"]]:
        subprocess.run([sys.executable, "-m", "snnbench", *command], check=True, stdout=subprocess.DEVNULL)
    for arguments in queue.failed:
        print(f"failed: {arguments}", file=sys.stderr)
    return 1 if queue.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
