"""The bar of a run on a terminal: epoch, loss, accuracy, speed and the time left, in one line of at most 80 columns."""

from __future__ import annotations

import sys
import time

import lightning as L
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn


class RunBar(L.Callback):
    """A bar over the batches of the current epoch. Other output, such as the line of each epoch, appears above it.

    The loss and the accuracy are means over the epoch so far. Reading them waits for the device, so they are read after
    the first batch of an epoch and then only after every `every`-th batch.
    """

    def __init__(self, every: int):
        self._every = every
        self._bar: Progress | None = None

    def on_train_start(self, trainer, task) -> None:
        if not trainer.is_global_zero:
            return
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=10), TextColumn("{task.fields[shown]}"))
        self._bar = Progress(*columns, console=Console(), transient=True)
        self._line = self._bar.add_task("", total=trainer.num_training_batches, shown="")
        self._bar.start()
        self._began, self._done = time.perf_counter(), 0

    def on_train_epoch_start(self, trainer, task) -> None:
        if self._bar is not None:
            epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            self._bar.reset(self._line, description=epoch, total=trainer.num_training_batches, shown="")

    def on_train_batch_end(self, trainer, task, outputs, batch, batch_idx: int) -> None:
        if self._bar is None:
            return
        self._done += 1
        changes = {}
        if batch_idx == 0 or (batch_idx + 1) % self._every == 0:
            meter = task.train_meter
            meter.stop()
            left = clock(self._seconds_left(trainer, batch_idx + 1))
            changes["shown"] = (
                f"loss {meter.loss:.3f}  acc {meter.accuracy:.2f} %  {meter.samples_per_s:,.0f}/s  left {left}"
            )
        self._bar.update(self._line, completed=batch_idx + 1, refresh=bool(changes), **changes)

    def _seconds_left(self, trainer, batches: int) -> float:
        """Seconds until the whole run ends, tests included, at the pace of this process so far."""
        an_epoch = trainer.num_training_batches
        left = (trainer.max_epochs - trainer.current_epoch) * an_epoch - batches
        return left * (time.perf_counter() - self._began) / self._done

    def on_validation_start(self, trainer, task) -> None:
        if self._bar is not None:
            self._bar.update(self._line, shown="test")

    def on_train_end(self, trainer, task) -> None:
        self._close()

    def on_exception(self, trainer, task, exception) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def clock(seconds: float) -> str:
    """`3 s`, `4:05` (minutes) or `2:04:05` (hours)."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def wants_bar(setting: str) -> bool:
    """True if a run draws a progress bar: `log.progress` asks for one, or leaves it open and a terminal listens."""
    return setting == "bar" or (setting == "auto" and sys.stdout.isatty())
