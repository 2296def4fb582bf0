"""Training on one batch as a CUDA graph: the GPU replays a thousand kernel launches as one.

Python runs once, at capture; what it computes from Python numbers is frozen then (a component whose numbers change
while training must call for a new capture by `CapturedBatch.forget`). The optimiser step stays outside, so learning
rates, clipping and Lightning's bookkeeping are as ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

log = logging.getLogger("snnbench.train")

WARM_UP = 2  # runs before the capture: compile kernels, let cuDNN choose, create cuBLAS workspaces
MOST_SHAPES = 2  # whole batches with hard and with soft targets; a smaller last batch runs eagerly


@dataclass
class _Graph:
    graph: torch.cuda.CUDAGraph
    batch: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    gradients: list[tuple[nn.Parameter, Tensor | None]]


class CapturedBatch:
    """Calls `function(*batch) -> outputs`, captured once for each shape of batch (samples, targets, ...).

    After a call every parameter's `.grad` holds the gradient that the function made of this batch (not added to an
    older one), or None. The outputs are overwritten by the next call. `function` must not synchronise with the host.

    Args:
        model: whose parameters and buffers the function reads and writes. what: its name in a warning.
        pool: memory shared with other graphs, `torch.cuda.graph_pool_handle()`: they must not run at once, and none
            may need another's outputs.
        agreed: is told whether a capture succeeded here and says whether it did in all processes of the run: either all
            replay, or all run eagerly. By default each process goes by itself.
    """

    def __init__(self, model: nn.Module, function: Callable[..., tuple[Tensor, ...]],
                 what: str = "the training step", pool=None, agreed: Callable[[bool], bool] = bool):  # fmt: skip
        self.model, self.function, self.what, self.pool, self.agreed = model, function, what, pool, agreed
        self._graphs: dict[tuple, _Graph] = {}
        self._refused = False

    def fits(self, *batch: Tensor) -> bool:
        """Whether a batch of this shape has a graph or may get one."""
        return not self._refused and (self._key(batch) in self._graphs or len(self._graphs) < MOST_SHAPES)

    def forget(self) -> None:
        """Drop all graphs; the next call captures anew."""
        self._graphs.clear()

    def __call__(self, *batch: Tensor) -> tuple[Tensor, ...] | None:
        """The outputs of this batch. None if it cannot be captured: the log says so once, and nothing has changed."""
        key = self._key(batch)
        if key not in self._graphs and not self._record(key, batch):
            return None
        found = self._graphs[key]
        for held, given in zip(found.batch, batch):
            held.copy_(given, non_blocking=True)
        found.graph.replay()
        for parameter, gradient in found.gradients:
            parameter.grad = gradient
        return found.outputs

    def _record(self, key: tuple, batch: tuple[Tensor, ...]) -> bool:
        """Capture a graph for this shape; return whether there is one now."""
        reason: Exception | str = "another process of the run failed to capture it"
        graph = None
        try:
            graph = self._capture(batch)
        except RuntimeError as error:
            reason = error
        if self.agreed(graph is not None):
            self._graphs[key] = graph
            return True
        self._refused = True
        self.model.zero_grad(set_to_none=True)
        log.warning(f"{self.what} cannot be captured as a CUDA graph and runs eagerly: {reason}")
        return False

    @staticmethod
    def _key(batch: tuple[Tensor, ...]) -> tuple:
        return tuple((given.shape, given.stride(), given.dtype) for given in batch)

    def _run(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        self.model.zero_grad(set_to_none=True)
        enabled = torch.is_autocast_enabled("cuda")
        # a weight cast before the capture must not be found in autocast's cache inside it
        with torch.autocast("cuda", torch.get_autocast_dtype("cuda"), enabled=enabled, cache_enabled=False):
            return self.function(*batch)

    def _capture(self, batch: tuple[Tensor, ...]) -> _Graph:
        """Warm up on a side stream, put buffers and generator back, and record."""
        device, batch = batch[0].device, tuple(given.clone() for given in batch)
        buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        generator = torch.cuda.get_rng_state(device)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP):
                    self._run(batch)
        finally:
            torch.cuda.current_stream().wait_stream(stream)
            for buffer, before in buffers:
                if not torch.equal(
                    buffer, before
                ):  # a module may read such a buffer as a number, which the warm-up must not have changed
                    buffer.copy_(before)
            torch.cuda.set_rng_state(generator, device)
        self.model.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            outputs = self._run(batch)
        return _Graph(graph, batch, outputs, [(p, p.grad) for p in self.model.parameters()])


def replayed(captured: CapturedBatch | None, *batch: Tensor) -> tuple[Tensor, ...] | None:
    """The outputs of the CUDA graph for this batch, or None if the caller has to run the batch eagerly."""
    return captured(*batch) if captured is not None and captured.fits(*batch) else None
