"""Lightning's strategy for several processes: it opens the process group and shares the first weights.

Each process holds the whole network and trains it on its share of every global batch. torch's DistributedDataParallel,
in which Lightning wraps the network, reduces gradients by hooks on each backward pass: a CUDA graph cannot replay them,
and a rule that steps through time would pay for them at every step. Here the task reduces when it steps (`reduce.py`).
"""

from __future__ import annotations

import os

from lightning.pytorch.strategies import DDPStrategy

from snnbench.train.agree import take_over


class Replicas(DDPStrategy):
    """Lightning's strategy of one process a device, without the wrapper around the network.

    NVLink multicast (NVLS) stays off unless the user sets NCCL_NVLS_ENABLE, since some hosts do not allow it.
    """

    def setup_environment(self) -> None:
        os.environ.setdefault("NCCL_NVLS_ENABLE", "0")
        super().setup_environment()

    def setup(self, trainer) -> None:
        super().setup(trainer)
        # Before each batch Lightning (2.6) broadcasts whether its own handler saw SIGTERM, and waits for the device.
        # The answer is always no: `signals` takes the handler's place. It has no public switch.
        loop = trainer.fit_loop.epoch_loop
        if hasattr(loop, "_broadcast_sigterm_tensor"):
            loop._broadcast_sigterm_tensor = _nothing

    def configure_ddp(self) -> None:
        """Give all processes the first weights of process 0; this also opens the connections between them."""
        take_over(self.model)

    def on_exception(self, exception: BaseException) -> None:
        """Drop the graphs, which may hold communication, before the process group ends."""
        if self.lightning_module is not None:
            self.lightning_module.forget_graphs()


def _nothing() -> None:
    """Replaces Lightning's broadcast by nothing."""
