"""What a run reports after each epoch: a row of metrics.csv and a line on the console."""

from __future__ import annotations

import csv
from pathlib import Path

import lightning as L
from lightning.pytorch.utilities import rank_zero_only

from snnbench.metrics.firing import dead
from snnbench.train.checkpoints import is_tested
from snnbench.writing import whole

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

    def state_dict(self) -> dict:
        return {"rows": self.rows, "rates": self.rates}

    def load_state_dict(self, state: dict) -> None:
        self.rows, self.rates = state["rows"], state.get("rates", {})  # checkpoints of 0.1 have no rates

    def on_train_start(self, trainer, task) -> None:
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
        for logger in (
            trainer.loggers
        ):  # the mirrors log this by step, like the loss within an epoch, so that all curves share one axis
            logger.log_metrics({k: v for k, v in row.items() if v is not None}, step=trainer.global_step)
            if tested:
                logger.log_metrics({f"firing/{k}": v for k, v in self.rates.items()}, step=trainer.global_step)
        if self.print_lines:
            self._say(self._line(row, trainer.max_epochs))

    def _line(self, row: dict, epochs: int) -> str:
        """The console's line, at most 80 columns. It counts layers that hardly fire; the end of the run names them."""
        test = "" if row["acc_test"] is None else f"  test {row['acc_test']:.2f}"
        val = "" if row["acc_val"] is None else f"  val {row['acc_val']:.2f}"
        silent = len(dead(self.rates))
        firing = "" if row["firing_rate"] is None else f"  firing {row['firing_rate']:.3f}"
        firing += f" ({silent} silent)" if firing and silent else ""
        return (
            f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}  loss {row['loss']:.4f}  train {row['acc_train']:.2f}"
            f"{test}{val}{firing}  {row['train_samples_per_s']:,.0f}/s"
        )

    @rank_zero_only
    def _say(self, text: str) -> None:
        print(text, flush=True)

    @rank_zero_only
    def _write(self) -> None:
        with whole(self.path) as beside, beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[-1]) if self.rows else COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
