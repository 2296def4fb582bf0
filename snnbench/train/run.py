"""Train one configuration and write a record of what happened, also when the run fails or is stopped."""

from __future__ import annotations

import lightning as L
from torch import nn

from snnbench.build import (
    build_data,
    build_model,
    build_objective,
    build_teacher,
    check_gradient,
    check_optimizer,
    instantiate,
)
from snnbench.data.base import BenchData
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
from snnbench.train.loggers import close, loggers
from snnbench.train.measures import measures
from snnbench.train.obey import Obey
from snnbench.train.parameters import ParameterLog
from snnbench.train.plan import Plan
from snnbench.train.provenance import describe_device, new_record, now, write
from snnbench.train.quiet import quiet
from snnbench.train.resume import ResumeState
from snnbench.train.spent import Spent
from snnbench.train.start import start_of
from snnbench.train.task import Task


def train(plan: Plan) -> None:
    """Train, evaluate after every epoch, measure operations, and write the record into the run's folder.

    Raises:
        ConfigError: something in the configuration cannot be built; nothing has been written.
    """
    quiet()
    task, data, record = _prepared(plan)
    config, folder = plan.config, plan.identity.folder
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, record)
    epochs = EpochLog(folder, print_lines=plan.speaks)
    spent = Spent()
    trainer = _trainer(plan, epochs, spent)
    try:
        with use(config["kernels"]), signals.obeyed():
            trainer.fit(task, datamodule=data, ckpt_path=plan.checkpoint, weights_only=True)
            record |= results(epochs) | {"peak_memory_mb": spent.peak_memory_mb()}
            record["data"]["resident"] = data.placement
            write(folder, record | {"device": describe_device(trainer)})
            if trainer.is_global_zero:
                task.to(trainer.strategy.root_device)  # Lightning leaves the network on the CPU
                record |= measures(config["measure"], task, data, half=plan.hardware.is_half)
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
            write(folder, record)
        close(config["log"], record["status"])


def _prepared(plan: Plan) -> tuple[Task, BenchData, dict]:
    """Build everything that a run needs, and its record so far. Nothing is written yet."""
    config = plan.config
    L.seed_everything(config["seed"], workers=True, verbose=False)
    model, rule = build_model(config)
    data = build_data(config)
    data.setup("fit")
    teacher = build_teacher(config)
    objective = build_objective(config, model, teacher)
    if plan.hardware.on_cuda:  # tensor cores read this layout; on the CPU it would change rounding
        for network in (model, teacher):
            if network is not None:
                channels_last(network)
    started_from = _start(plan, model)
    task = build_task(config, model, rule, data, objective, teacher)
    for part in (model, objective):
        part.check_length(config["T"])
    task.encoder.check_shape(config["data"]["shape"])
    check_gradient(config, model, task.encoder)
    check_optimizer(config, model)
    return task, data, new_record(plan, data, model, teacher) | {"start": started_from}


def _start(plan: Plan, model: nn.Module) -> dict:
    """Give the network its start weights and return their entry in the record. A resumed run keeps its own weights."""
    source = plan.composed.sources.get("start")
    if source is None:
        return {}
    start = start_of(model, source, plan.config["start"]["part"])
    if plan.checkpoint is None:
        start.give(model)
        if plan.speaks:
            print(start.sentence(), flush=True)
    return start.about()


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
    """The record's results of the epochs so far. `acc_best_test` is the best test accuracy, which most papers print."""
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


def _trainer(plan: Plan, epochs: EpochLog, spent: Spent) -> L.Trainer:
    config, identity = plan.config, plan.identity
    train, log = config["train"], config["log"]
    callbacks = [
        Obey(),
        epochs,
        ParameterLog(identity.folder),
        ResumeState(identity.config_hash),
        spent,
        *checkpoints(identity.folder, plan.best_on),
    ]
    if train["ema"] is not None:
        callbacks.append(MovingAverage(decay=train["ema"]))
    if wants_bar(log["progress"]):
        callbacks.append(RunBar(log["every_n_steps"]))
    return L.Trainer(
        max_epochs=train["epochs"],
        check_val_every_n_epoch=train["eval_every"],
        **plan.hardware.trainer_arguments(),
        callbacks=callbacks,
        plugins=[BackgroundCheckpointIO(), LaunchEnvironment()],
        logger=loggers(log, identity.folder, identity.run_id, config),
        default_root_dir=identity.folder,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        deterministic=train["deterministic"],
        limit_train_batches=train["limit_train_batches"],
        limit_val_batches=train["limit_test_batches"],
        log_every_n_steps=log["every_n_steps"],
    )


def _steady(rates: list[float]) -> float:
    """The median over all epochs but the first, which includes the warm-up. With one epoch it is that epoch's."""
    rates = sorted(rates[1:] or rates)
    return rates[len(rates) // 2]
