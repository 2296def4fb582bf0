"""Train one configuration and leave a truthful record, whatever happens."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import torch

from snnbench.config import identity
from snnbench.config.build import build_data, build_model, build_objective, build_teacher, check_optimizer, instantiate
from snnbench.config.compose import Composed
from snnbench.config.errors import ConfigError
from snnbench.kernels import use
from snnbench.metrics.firing import warnings
from snnbench.synapses.base import channels_last
from snnbench.train import signals
from snnbench.train.averaging import MovingAverage
from snnbench.train.background import BackgroundCheckpointIO
from snnbench.train.bar import RunBar, wants_bar
from snnbench.train.checkpoints import checkpoints
from snnbench.train.environment import LaunchEnvironment
from snnbench.train.epochs import EpochLog
from snnbench.train.launch import launch
from snnbench.train.loggers import close, loggers
from snnbench.train.measures import measures
from snnbench.train.obey import Obey
from snnbench.train.parameters import ParameterLog
from snnbench.train.provenance import describe_device, new_record, now, write
from snnbench.train.resume import ResumeState, checkpoint_to_resume
from snnbench.train.spent import Spent
from snnbench.train.task import Task


def train(composed: Composed) -> Path:
    """Train, evaluate after every epoch, measure operations, write the record. Returns the run folder.

    A run folder that holds a finished run is left as it is; one that holds a checkpoint is resumed.

    Raises:
        ConfigError: something in the configuration cannot be built; nothing has been written.
    """
    config, run_dir = composed.config, identity.run_dir(composed.config, composed.choices)
    devices = _devices(config)
    precision(config)  # it may refuse, and then nothing is written
    L.seed_everything(config["seed"], workers=True, verbose=False)
    model, rule = build_model(config)
    data = build_data(config)
    data.setup("fit")
    teacher = build_teacher(config)
    objective = build_objective(config, model, teacher)
    if torch.cuda.is_available() and config["train"]["accelerator"] != "cpu":
        for network in (model, teacher):  # what tensor cores read; the CPU keeps its bits
            if network is not None:
                channels_last(network)
    task = build_task(config, model, rule, data, objective, teacher)
    for part in (model, objective):
        part.check_length(config["T"])
    task.encoder.check_shape(config["data"]["shape"])
    check_optimizer(config, model)
    checkpoint = checkpoint_to_resume(config["train"]["ckpt_path"], run_dir, identity.config_hash(config))

    run_dir.mkdir(parents=True, exist_ok=True)
    record = new_record(composed, data, model, teacher) | {"best_on": best_on(config)}
    write(run_dir, record)
    epochs = EpochLog(run_dir, print_lines=config["log"]["progress"] != "off")
    spent = Spent()
    trainer = _trainer(config, run_dir, epochs, spent, devices, record["run_id"])
    try:
        with use(config["kernels"]), signals.obeyed():
            trainer.fit(task, datamodule=data, ckpt_path=checkpoint, weights_only=True)
            record |= results(epochs) | {"peak_memory_mb": spent.peak_memory_mb()}
            record["data"]["resident"] = data.placement
            write(run_dir, record | {"device": describe_device(trainer)})
            if trainer.is_global_zero:
                task.to(trainer.strategy.root_device)  # Lightning leaves the network on the CPU
                record |= measures(config["measure"], task, data, half=precision(config) == "bf16-mixed")
        record["status"] = "done"
    except BaseException as error:
        record |= signals.ending(error)
        raise
    finally:
        with signals.held():
            record |= results(epochs) | {
                "started": spent.started,
                "wall_time_s": spent.seconds(),
                "finished": now(),
                "device": describe_device(trainer),
            }
            write(run_dir, record)
        close(config["log"], record["status"])
    return run_dir


def build_task(config: dict, model, rule, data, objective, teacher=None) -> Task:
    """The LightningModule of a configuration."""
    train = config["train"]
    return Task(
        model,
        rule,
        objective,
        instantiate(config["encoder"], time_steps=config["T"]),
        optimizer=lambda net: instantiate(config["optimizer"], net),
        schedule=instantiate(config["schedule"], epochs=train["epochs"]),
        num_classes=config["data"]["num_classes"],
        seed=config["seed"],
        mix=getattr(data.augment, "mix", None),
        grad_clip=train["grad_clip"],
        log_every=config["log"]["every_n_steps"],
        capture=config["kernels"] == "auto",
        teacher=teacher,
    )


def results(epochs: EpochLog) -> dict:
    """What the epochs so far amount to. `acc_best_test` is what most papers print: the best epoch on the test set."""
    if not epochs.rows:
        return {}
    last, tested = epochs.rows[-1], [row for row in epochs.rows if row["acc_test"] is not None]
    found = {
        "epochs": len(epochs.rows),
        "acc_last": last["acc_test"],
        "loss_last": last["loss"],
        "epochs_s": sum(row["seconds"] for row in epochs.rows),
        "train_samples_per_s": _steady([row["train_samples_per_s"] for row in epochs.rows]),
        "firing_rates": dict(epochs.rates),
        "warnings": warnings(epochs.rates),
    }
    if tested:
        best = max(tested, key=lambda row: row["acc_test"])
        found |= {"acc_best_test": best["acc_test"], "best_test_epoch": best["epoch"]}
        found["test_samples_per_s"] = _steady([row["test_samples_per_s"] for row in tested])
    if tested and tested[0]["acc_val"] is not None:
        chosen = max(tested, key=lambda row: row["acc_val"])
        found |= {
            "acc_val_best": chosen["acc_val"],
            "best_val_epoch": chosen["epoch"],
            "acc_test_at_best_val": chosen["acc_test"],
        }
    return found


def best_on(config: dict) -> str:
    """What best.ckpt is the best on: the validation split where there is one, else the test set, as in most papers."""
    return "val" if config["data"].get("val_fraction", 0.0) > 0 else "test"


def _trainer(config: dict, run_dir: Path, epochs: EpochLog, spent: Spent, devices: dict, run_id: str) -> L.Trainer:
    train, log = config["train"], config["log"]
    callbacks = [
        Obey(),
        epochs,
        ParameterLog(run_dir),
        ResumeState(identity.config_hash(config)),
        spent,
        *checkpoints(run_dir / "checkpoints", best_on(config)),
    ]
    if train["ema"] is not None:
        callbacks.append(MovingAverage(decay=train["ema"]))
    if wants_bar(log["progress"]):
        callbacks.append(RunBar(log["every_n_steps"]))
    return L.Trainer(
        max_epochs=train["epochs"],
        check_val_every_n_epoch=train["eval_every"],
        accelerator=train["accelerator"].replace("cuda", "gpu"),
        **devices,
        precision=precision(config),
        callbacks=callbacks,
        plugins=[BackgroundCheckpointIO(), LaunchEnvironment()],
        logger=loggers(log, run_dir, run_id, config),
        default_root_dir=run_dir,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        deterministic=train["deterministic"],
        limit_train_batches=train["limit_train_batches"],
        limit_val_batches=train["limit_test_batches"],
        log_every_n_steps=log["every_n_steps"],
    )


def _devices(config: dict) -> dict:
    """Processes are started by torchrun or srun, never by Lightning (it would start a whole grid again)."""
    wanted, start = config["train"]["devices"], launch()
    if start.processes == 1:
        if wanted > 1:
            raise ConfigError(
                f"train.devices={wanted} needs {wanted} processes: start with `torchrun --nproc-per-node "
                f"{wanted} -m snnbench train ...` (or srun), or set train.devices=1"
            )
        return {"devices": 1}
    if config["train"]["batch_size"] % start.processes:
        raise ConfigError(
            f"train.batch_size={config['train']['batch_size']} is the global batch and does not divide by "
            f"{start.processes} processes: choose a multiple of {start.processes}"
        )
    devices = start.processes // start.nodes
    if config["train"]["accelerator"] != "cpu" and 0 < torch.cuda.device_count() < devices:
        raise ConfigError(
            f"{devices} processes on this machine need {devices} GPUs, but each sees {torch.cuda.device_count()}: "
            "start fewer, or let every process see all of them (srun --gpus-per-node, not --gpus-per-task)"
        )
    return {"devices": devices, "num_nodes": start.nodes, "strategy": "ddp"}


def precision(config: dict) -> str:
    wanted, accelerator = config["train"]["precision"], config["train"]["accelerator"]
    on_cuda = torch.cuda.is_available() and accelerator != "cpu"
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise ConfigError("train.accelerator=cuda: no CUDA device is visible; use train.accelerator=cpu or auto")
    if wanted == "auto":
        wanted = "bf16" if on_cuda else "fp32"
    return {"bf16": "bf16-mixed", "fp32": "32-true"}[wanted]


def _steady(rates: list[float]) -> float:
    """The median without the first epoch, which pays for warming up, unless there is no other."""
    rates = sorted(rates[1:] or rates)
    return rates[len(rates) // 2]
