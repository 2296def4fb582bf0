"""Which processes are one run: torchrun, srun, and what only looks like srun."""

import os

import pytest

from snnbench.cli.main import main
from snnbench.errors import ConfigError
from snnbench.train.launch import ALONE, launch
from tests.train.conftest import SMALL, only_run, record

# as seen on slurm-wlm 22.05.8
ALLOCATION = {"SLURM_JOB_ID": "7", "SLURM_NNODES": "1", "SLURM_NTASKS": "2", "SLURM_NPROCS": "2", "SLURM_NODEID": "0"}
BATCH = ALLOCATION | {"SLURM_JOB_NAME": "wrap", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_TASKS_PER_NODE": "2"}
STEP = BATCH | {
    "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_TASKS_PER_NODE": "2",
    "SLURM_STEP_NODELIST": "vm",
}  # fmt: skip
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "x", "RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2",
    "GROUP_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "29500",
}  # fmt: skip
ONE_PROCESS = {
    "nothing": {},
    "sbatch": BATCH,
    "salloc": ALLOCATION,
    "only SLURM_NTASKS": {"SLURM_NTASKS": "4"},
    "srun -n 1": STEP | {"SLURM_STEP_NUM_TASKS": "1"},
}


@pytest.mark.parametrize("name", ONE_PROCESS)
def test_one_process(name):
    assert launch(ONE_PROCESS[name]) == ALONE


def test_srun():
    two = [launch(STEP | {"SLURM_PROCID": rank, "SLURM_LOCALID": rank}) for rank in "01"]
    assert [(place.rank, place.local_rank, place.node) for place in two] == [(0, 0, 0), (1, 1, 0)]
    assert {(place.name, place.processes, place.nodes, place.address) for place in two} == {
        ("srun 7.0", 2, 1, "127.0.0.1")
    }
    next_step = launch(STEP | {"SLURM_STEP_ID": "1"})
    assert two[0].port == two[1].port != next_step.port
    assert next_step.name != two[0].name


@pytest.mark.parametrize(
    ("listed", "first"), [("n[01-04,07]", "n01"), ("n[3,5],m1", "n3"), ("a,b", "a"), ("a-1[2-3].x", "a-12.x")]
)
def test_the_first_node_is_the_address(listed, first):
    nodes = STEP | {"SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_TASKS_PER_NODE": "2(x2)"}
    assert launch(nodes | {"SLURM_STEP_NODELIST": listed}).address == first
    assert launch(nodes | {"SLURM_STEP_NODELIST": listed, "MASTER_ADDR": "mine", "MASTER_PORT": "5"}).port == 5


def test_torchrun_goes_before_srun():
    for environment in (TORCHRUN, STEP | TORCHRUN):
        place = launch(environment)
        assert (place.rank, place.local_rank, place.processes, place.node, place.nodes) == (3, 1, 4, 1, 2)


@pytest.mark.parametrize(("tasks", "per_node"), [("7", "4,3"), ("3", "2")])
def test_uneven_nodes_are_refused(tasks, per_node):
    uneven = {"SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_NUM_TASKS": tasks, "SLURM_STEP_TASKS_PER_NODE": per_node}
    with pytest.raises(ConfigError, match="ntasks-per-node"):
        launch(STEP | uneven)


@pytest.mark.parametrize("environment", [STEP, TORCHRUN], ids=["srun", "torchrun"])
def test_a_grid_under_a_launcher_is_refused(environment, tmp_path, monkeypatch, capsys):
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert main(["train", "-m", "seed=0,1", f"paths.runs={tmp_path / 'runs'}"]) == 2
    assert "start a grid without it" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_batch_script_without_srun_is_one_process(tmp_path, monkeypatch, capsys):
    """Lightning's own guess waits here for a second process that nobody starts."""
    for key, value in BATCH.items():
        monkeypatch.setenv(key, value)
    arguments = [*SMALL, "train.epochs=1", "train.limit_train_batches=2", f"paths.runs={tmp_path}"]
    assert main(["train", *arguments]) == 0
    assert record(only_run(tmp_path))["device"]["count"] == 1
    assert main(["eval", f"run={only_run(tmp_path)}"]) == 0
    assert main(["train", *arguments, "train.devices=2", "seed=1"]) == 2
    assert "or srun" in capsys.readouterr().err


def test_two_tasks_of_srun_are_one_run(start, tmp_path):
    arguments = ["train.epochs=1", "train.limit_train_batches=2", "norm.sync=true", f"paths.runs={tmp_path}"]
    step = STEP | {"SLURM_JOB_ID": str(os.getpid())}
    tasks = [start(*arguments, **step | {"SLURM_PROCID": rank, "SLURM_LOCALID": rank}) for rank in "01"]
    for task, _ in tasks:
        task.join(120)
    outputs = [log.read_text() for _, log in tasks]
    assert [task.exitcode for task, _ in tasks] == [0, 0], outputs
    assert record(only_run(tmp_path))["device"]["count"] == 2
    assert "test accuracy" in outputs[0]
    assert "test accuracy" not in outputs[1]


def test_a_rule_of_one_process_is_refused_before_anything_is_written(tmp_path, monkeypatch, capsys):
    arguments = ["train", "experiment=s4nn/digits", f"paths.runs={tmp_path / 'runs'}"]
    assert main([*arguments, "train.devices=2"]) == 2
    assert "train.devices=2: rule=s4nn trains in one process" in capsys.readouterr().err
    for key, value in TORCHRUN.items():
        monkeypatch.setenv(key, value)
    assert main(arguments) == 2
    assert "rule=s4nn trains in one process and 4 were started" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
