"""What a run tells while it goes: metrics.csv, one line (or a progress bar) an epoch, dead and saturated layers."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.utilities import rank_zero_only

from snnbench.metrics.firing import warnings
from snnbench.train.checkpoints import is_tested

COLUMNS = (
    "epoch",
    "lr",
    "loss",
    "acc_train",
    "acc_test",
    "loss_test",
    "acc_val",
    "loss_val",
    "firing_rate",
    "train_samples_per_s",
    "test_samples_per_s",
    "seconds",
)


class EpochLog(L.Callback):
    """Reads the task's meters after each epoch, on every rank; writes on rank 0.

    `rows` holds one dict an epoch (keys COLUMNS, then what the rule reports) and `rates` each layer's firing rate on
    the test set.
    On resume the rows of epochs that the checkpoint does not contain are dropped from metrics.csv.
    """

    def __init__(self, folder: Path, print_lines: bool):
        self.path, self.print_lines = folder / "metrics.csv", print_lines
        self.rows: list[dict] = []
        self.rates: dict[str, float] = {}
        self.warned: set[str] = set()

    def state_dict(self) -> dict:
        return {"rows": self.rows, "rates": self.rates}

    def load_state_dict(self, state: dict) -> None:
        self.rows, self.rates = state["rows"], state.get("rates", {})  # checkpoints of 0.1 have no rates

    def on_train_start(self, trainer, task) -> None:
        if self.rows and self.print_lines:
            self._say(f"resuming after epoch {len(self.rows)}")
        self._write()

    def on_validation_batch_start(self, trainer, task, batch, batch_idx, dataloader_idx=0) -> None:
        if batch_idx == 0 and dataloader_idx == 0:
            task.train_meter.stop(trainer.strategy)

    def on_validation_epoch_end(self, trainer, task) -> None:
        self.rates = task.firing_rates()

    def on_train_epoch_end(self, trainer, task) -> None:
        tested = is_tested(trainer)
        test, val = (task.eval_meters.get(name) if tested else None for name in ("test", "val"))
        if not tested:
            task.train_meter.stop(trainer.strategy)
        rates = list(self.rates.values())
        row = {
            "epoch": trainer.current_epoch + 1,
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "loss": task.train_meter.loss,
            "acc_train": task.train_meter.accuracy,
            "acc_test": test.accuracy if test else None,
            "loss_test": test.loss if test else None,
            "acc_val": val.accuracy if val else None,
            "loss_val": val.loss if val else None,
            "firing_rate": sum(rates) / len(rates) if rates and tested else None,
            "train_samples_per_s": task.train_meter.samples_per_s,
            "test_samples_per_s": test.samples_per_s if test else None,
            "seconds": task.train_meter.seconds + (test.seconds if test else 0.0),
            **task.rule.reported(task.model),
        }
        self.rows.append(row)
        self._write()
        for logger in trainer.loggers:  # by step, as the loss within an epoch is: the two axes would mix
            logger.log_metrics({k: v for k, v in row.items() if v is not None}, step=trainer.global_step)
            if tested:
                logger.log_metrics({f"firing/{k}": v for k, v in self.rates.items()}, step=trainer.global_step)
        if self.print_lines:
            self._say(self._line(row, trainer.max_epochs))
        for sentence in warnings(self.rates):
            layer = sentence.split(" is ")[0]
            if layer not in self.warned:  # once a layer; the record keeps the last epoch's
                self.warned.add(layer)
                self._say(f"warning: {sentence}")

    @staticmethod
    def _line(row: dict, epochs: int) -> str:
        test = "" if row["acc_test"] is None else f"  test {row['acc_test']:.2f}"
        val = "" if row["acc_val"] is None else f"  val {row['acc_val']:.2f}"
        firing = "" if row["firing_rate"] is None else f"  firing {row['firing_rate']:.3f}"
        return (
            f"epoch {row['epoch']:>3}/{epochs}  loss {row['loss']:.4f}  train {row['acc_train']:.2f}"
            f"{test}{val}{firing}  {row['train_samples_per_s']:,.0f} samples/s"
        )

    @rank_zero_only
    def _say(self, text: str) -> None:
        print(text, flush=True)

    @rank_zero_only
    def _write(self) -> None:
        temporary = self.path.with_suffix(".tmp")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[-1]) if self.rows else COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        temporary.replace(self.path)


class Progress(RichProgressBar):
    """Lightning's rich bar with the running loss, accuracy, firing rate and samples/s, read every few steps."""

    def __init__(self, every: int, epochs: EpochLog):
        super().__init__(refresh_rate=every)
        self._every, self._epochs, self._shown = every, epochs, {}

    def get_metrics(self, trainer, task) -> dict:
        meter = task.train_meter
        if meter.sums is not None and trainer.training and (trainer.fit_loop.batch_idx + 1) % self._every == 0:
            meter.stop()
            rates = list(self._epochs.rates.values())
            self._shown = {
                "loss": f"{meter.loss:.3f}",
                "acc": f"{meter.accuracy:.2f}",
                "samples/s": f"{meter.samples_per_s:,.0f}",
            }
            if rates:
                self._shown["firing"] = f"{sum(rates) / len(rates):.3f}"
        return self._shown


def wants_bar(setting: str) -> bool:
    """`log.progress`: a bar on a terminal, lines elsewhere, unless told."""
    return setting == "bar" or (setting == "auto" and sys.stdout.isatty())
