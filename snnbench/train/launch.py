"""How many processes are one run, and which of them this one is. Torch-free.

torchrun and srun start several processes of one command; each finds its place in the environment:

    torchrun  TORCHELASTIC_RUN_ID, RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, GROUP_RANK, MASTER_ADDR, MASTER_PORT
    srun      SLURM_JOB_ID, SLURM_STEP_ID, SLURM_PROCID, SLURM_LOCALID, SLURM_NODEID, SLURM_STEP_NUM_TASKS, ...

SLURM_NTASKS says nothing about srun: it is also set in a batch script and in a shell that `salloc` opened, where a
plain `snnbench train` is one process. Only srun gives SLURM_STEP_ID, and only the step's own task count is counted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from snnbench.config.signature import component
from snnbench.config.targets import present
from snnbench.errors import ConfigError


@dataclass(frozen=True)
class Launch:
    """The place of this process among the processes of one run.

    `name` is the same in all of them, and no other start has it.
    """

    name: str
    rank: int
    local_rank: int
    processes: int
    node: int
    nodes: int
    address: str
    port: int


def refuse_processes(launch: Launch, config: dict, choices: dict[str, str | None]) -> None:
    """Refuse a launch that does not fit the configuration, before anything is printed.

    Raises:
        ConfigError: `train.devices` asks for more processes than the one that was started, a component trains in one
            process (trait "one_process") and there are more, or the global batch does not divide by the processes.
    """
    train, wanted = config["train"], config["train"]["devices"]
    if launch.processes == 1:
        if wanted > 1:
            raise ConfigError(
                f"train.devices={wanted} needs {wanted} processes: start with `torchrun --nproc-per-node "
                f"{wanted} -m snnbench train ...` (or srun), or set train.devices=1"
            )
        return
    for axis in present(config):
        if "one_process" in component(config[axis]["_target_"]).traits:
            raise ConfigError(
                f"{axis}={choices[axis]} trains in one process and {launch.processes} were started: start one, "
                f"without torchrun or srun, or choose another {axis}"
            )
    if train["batch_size"] % launch.processes:
        raise ConfigError(
            f"train.batch_size={train['batch_size']} is the global batch and does not divide by "
            f"{launch.processes} processes: choose a multiple of {launch.processes}"
        )


ALONE = Launch("alone", 0, 0, 1, 0, 1, "127.0.0.1", 0)


def launch(environment: Mapping[str, str] = os.environ) -> Launch:
    """The launch that this process belongs to; ALONE where nobody started several processes.

    Raises:
        ConfigError: the tasks of srun are not the same number on each node.
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        return _of_torchrun(environment)
    if int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1 and {"SLURM_STEP_ID", "SLURM_PROCID"} <= environment.keys():
        return _of_srun(environment)
    return ALONE


def _of_torchrun(environment: Mapping[str, str]) -> Launch:
    processes = int(environment["WORLD_SIZE"])
    address, port = environment["MASTER_ADDR"], int(environment["MASTER_PORT"])
    return Launch(
        f"torchrun {environment['TORCHELASTIC_RUN_ID']} {address}:{port}",
        int(environment["RANK"]),
        int(environment["LOCAL_RANK"]),
        processes,
        int(environment["GROUP_RANK"]),
        processes // int(environment["LOCAL_WORLD_SIZE"]),
        address,
        port,
    )


def _of_srun(environment: Mapping[str, str]) -> Launch:
    job, step = int(environment["SLURM_JOB_ID"]), int(environment["SLURM_STEP_ID"])
    processes, nodes = int(environment["SLURM_STEP_NUM_TASKS"]), int(environment.get("SLURM_STEP_NUM_NODES", 1))
    per_node = environment.get("SLURM_STEP_TASKS_PER_NODE", "")  # "4(x2)"; "4,3" where the nodes differ
    if "," in per_node or processes % nodes:
        raise ConfigError(
            f"srun started {processes} tasks as {per_node or processes} on {nodes} nodes, but each node must run the "
            "same number: give srun --ntasks-per-node"
        )
    return Launch(
        f"srun {job}.{step}",
        int(environment["SLURM_PROCID"]),
        int(environment["SLURM_LOCALID"]),
        processes,
        int(environment.get("SLURM_NODEID", 0)),
        nodes,
        environment.get("MASTER_ADDR") or _first_node(environment, nodes),
        # below the range from which the system gives out ports; two steps of one job differ
        int(environment.get("MASTER_PORT") or 12000 + (8 * job + step) % 20000),
    )


def _first_node(environment: Mapping[str, str], nodes: int) -> str:
    """The first name in "node[01-04,07],other": where the first task runs."""
    if nodes == 1:
        return "127.0.0.1"
    return re.sub(r"\[(\w+)[^\]]*\]", r"\1", environment["SLURM_STEP_NODELIST"]).split(",")[0]
