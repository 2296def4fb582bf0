"""A callback that keeps Lightning from handling signals, which `signals` does."""

from __future__ import annotations

import lightning as L

from snnbench.train import signals


class Obey(L.Callback):
    """Restores the handlers of `signals` and checks before each batch whether a signal's exception was swallowed.

    Lightning's SIGTERM handler waits for a broadcast among all processes. Where one of them computes on and waits for
    another collective operation, both wait forever.
    """

    def on_train_start(self, trainer, task) -> None:
        signals.reinstall()

    def on_train_batch_start(self, trainer, task, batch, batch_idx) -> None:
        signals.check()

    def on_validation_batch_start(self, trainer, task, batch, batch_idx, dataloader_idx=0) -> None:
        signals.check()
