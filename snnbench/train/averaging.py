"""The exponential moving average of the weights (`train.ema`)."""

from __future__ import annotations

from lightning.pytorch.callbacks import EMAWeightAveraging


class MovingAverage(EMAWeightAveraging):
    """Lightning's weight average; the network takes over the averaged weights when training ends.

    Lightning copies it at the end of training, and a run that resumes after its last epoch does not train any more:
    what is measured afterwards would be measured on the weights that were not averaged.
    """

    def on_train_end(self, trainer, pl_module) -> None:
        pass

    def on_fit_end(self, trainer, pl_module) -> None:
        super().on_train_end(trainer, pl_module)
