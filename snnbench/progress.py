"""Modules with a number that changes during training (such as a mask or a width that shrinks) define

    def on_epoch(self, progress: float) -> bool: ...    # progress = epoch / epochs, the first epoch is 0

and return True if they changed a Python number, which a captured CUDA graph holds as a constant.
"""

from __future__ import annotations

from torch import nn


def tell_progress(network: nn.Module, epoch: int, epochs: int) -> bool:
    """Call `on_epoch` of every such module in `network`. Returns True if captured CUDA graphs must be dropped."""
    stale = [module.on_epoch(epoch / epochs) for module in network.modules() if hasattr(module, "on_epoch")]
    return any(stale)
