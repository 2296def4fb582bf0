"""The parts of a configuration that are not components: run, training, measurement, logging.

Read as text by `snnbench.config.signature`, so annotations are literal here too. Defaults live in `configs/train.yaml`.
A section whose keys all have a default here may be missing altogether, as it is in records of older versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal


@dataclass
class Run:
    """The keys at the top level of a configuration.

    Args:
        name: The folder of the run below `paths.runs`; null derives it from the experiment or the components.
        T: The number of time steps.
        seed: The seed of initial weights, order, augmentation and validation split.
        kernels: "auto" uses fused kernels on CUDA where there are any; "reference" uses plain PyTorch everywhere.
        reproduces: The id of a published row in results/reported, or null.
    """

    name: str | None
    T: Annotated[int, "in [1, 1000000]"]
    seed: Annotated[int, ">= 0"]
    kernels: Literal["auto", "reference"]
    reproduces: str | None


@dataclass
class Paths:
    data: str
    runs: str


@dataclass
class Train:
    """The training settings; configs/train.yaml explains them.

    `batch_size` counts the samples on all devices together, and the learning rate is never rescaled. `eval_every` must
    divide `epochs`, so that the last epoch is tested.
    """

    epochs: Annotated[int, "in [1, 1000000]"]
    batch_size: Annotated[int, "in [1, 1000000]"]
    eval_batch_size: Annotated[int, "in [1, 1000000]"]
    eval_every: Annotated[int, ">= 1"]
    precision: Literal["auto", "fp32", "bf16"]
    grad_clip: Annotated[float, "> 0"] | None
    ema: Annotated[float, "in (0, 1)"] | None
    devices: Annotated[int, ">= 1"]
    accelerator: Literal["auto", "cpu", "cuda"]
    deterministic: bool
    ckpt_path: str | None
    limit_train_batches: Annotated[int, ">= 1"] | None
    limit_test_batches: Annotated[int, ">= 1"] | None


@dataclass
class Start:
    """The weights that a new run begins with. A resumed run continues with its own weights instead.

    Args:
        run: The folder of a finished run whose weights are loaded. Null keeps the network's own initial weights.
        weights: The checkpoint of that run, "last" or "best".
        part: "all" loads the whole network, "fitting" loads the tensors whose name and shape match.
        experiment: The recipe that trains such a run. If it is set, `run` must be given.
        identity: The identity of that run, normally filled in by the program. If it is given, `run` must match it.
    """

    run: str | None = None
    weights: Literal["best", "last"] = "last"
    part: Literal["all", "fitting"] = "all"
    experiment: str | None = None
    identity: str | None = None


@dataclass
class Measure:
    """The measurements on the test set after training.

    Args:
        operations: If true, operations are counted.
        samples: The number of test samples that are counted. Null counts all.
        mac_pj: The energy of a multiply-accumulate operation in pJ (45 nm).
        ac_pj: The energy of an accumulate operation in pJ (45 nm).
        mirrored: If true, the network is tested once more with mirrored images.
    """

    operations: bool
    samples: Annotated[int, ">= 1"] | None
    mac_pj: Annotated[float, ">= 0"]
    ac_pj: Annotated[float, ">= 0"]
    mirrored: bool


@dataclass
class Log:
    """Additional places to log to. metrics.csv and run.json are always written."""

    wandb: bool
    wandb_project: str
    tensorboard: bool
    progress: Literal["auto", "bar", "lines", "off"]
    every_n_steps: Annotated[int, ">= 1"]
