"""The devices and the precision of a run, decided once from the configuration and the launch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from snnbench.errors import ConfigError
from snnbench.train.launch import Launch
from snnbench.train.strategy import Replicas

LIGHTNING_PRECISION = {"bf16": "bf16-mixed", "fp32": "32-true"}


@dataclass(frozen=True)
class Hardware:
    """What a run computes on.

    Args:
        accelerator: Lightning's name of the kind of device: auto, cpu or gpu.
        on_cuda: Whether the network runs on a CUDA device.
        precision: Lightning's name of the precision: bf16-mixed or 32-true.
        devices: The number of devices that the run uses on each machine, one process each.
        nodes: The number of machines.
    """

    accelerator: str
    on_cuda: bool
    precision: str
    devices: int = 1
    nodes: int = 1

    @property
    def is_half(self) -> bool:
        """Whether matrix products run in bf16."""
        return self.precision == LIGHTNING_PRECISION["bf16"]

    def trainer_arguments(self) -> dict:
        """The arguments of a Lightning trainer that say where and how precisely it computes."""
        several = {"num_nodes": self.nodes, "strategy": Replicas()} if self.devices * self.nodes > 1 else {}
        return {"accelerator": self.accelerator, "devices": self.devices, "precision": self.precision, **several}


def one_device(train: dict) -> Hardware:
    """The hardware of one process, from the section `train` of a configuration; `train.devices` is not looked at.

    Raises:
        ConfigError: the configuration insists on CUDA and no CUDA device is visible.
    """
    wanted, on_cuda = train["precision"], torch.cuda.is_available() and train["accelerator"] != "cpu"
    if train["accelerator"] == "cuda" and not on_cuda:
        raise ConfigError("train.accelerator=cuda: no CUDA device is visible; use train.accelerator=cpu or auto")
    if wanted == "auto":
        wanted = "bf16" if on_cuda else "fp32"
    return Hardware(train["accelerator"].replace("cuda", "gpu"), on_cuda, LIGHTNING_PRECISION[wanted])


def all_devices(train: dict, launch: Launch) -> Hardware:
    """The hardware of all processes of a launch, from the section `train` of a configuration.

    Processes are started by torchrun or srun and never by Lightning, which would start a whole grid again.

    Raises:
        ConfigError: the machine has fewer GPUs than processes.
    """
    hardware = one_device(train)
    if launch.processes == 1:
        return hardware
    devices = launch.processes // launch.nodes
    if train["accelerator"] != "cpu" and 0 < torch.cuda.device_count() < devices:
        raise ConfigError(
            f"{devices} processes on this machine need {devices} GPUs, but each sees {torch.cuda.device_count()}: "
            "start fewer, or let every process see all of them (srun --gpus-per-node, not --gpus-per-task)"
        )
    return replace(hardware, devices=devices, nodes=launch.nodes)
