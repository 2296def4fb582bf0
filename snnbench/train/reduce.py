"""The mean of the gradients of several processes, by one all-reduce for each dtype and batch.

Every process has the gradients of its own share of the global batch. They lie in one flat tensor (a bucket) for each
dtype, and the processes sum these. The same all-reduce carries two more things:

- for each parameter, whether this process has a gradient for it. A parameter without a gradient in every process keeps
  the gradient None, so the optimiser skips it. Where only some processes have one, it counts as zero in the others. So
  no process waits for a gradient that never comes, and the processes need not agree beforehand.
- the statistics of process 0 (floating-point buffers that are saved), to which the other processes add zeros. All
  processes therefore test, save and go on with the same statistics. torch's DistributedDataParallel sends them at the
  start of a training step, so its processes differ by one batch when they test.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from snnbench.train.agree import is_alone

ALIGNED = 128  # bytes; each tensor begins at a multiple of this, so that kernels can read several values at once


class Reduction:
    """Averages the gradients of a module's parameters over all processes. With one process it does nothing.

    Call `gather` when the backward passes of a batch are done, also inside a CUDA graph, then `average` outside it.

    Args:
        module: parameters and buffers, the same on every process and already on their device. They must stay there.
    """

    def __init__(self, module: nn.Module):
        self._buckets: list[Bucket] = []
        if is_alone():
            return
        parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        saved = module.state_dict(keep_vars=True).values()
        buffers = {id(v): v for v in saved if not isinstance(v, nn.Parameter) and v.is_floating_point()}.values()
        dtypes = dict.fromkeys(tensor.dtype for tensor in (*parameters, *buffers))
        self._buckets = [Bucket(_of(dtype, parameters), _of(dtype, buffers)) for dtype in dtypes]

    def gather(self) -> None:
        """Copy gradients and statistics into the buckets; each gradient becomes a view of its bucket."""
        for bucket in self._buckets:
            bucket.gather()

    def average(self) -> None:
        """Sum the buckets over all processes. Each gradient becomes the mean, each statistic that of process 0.

        The host waits for the device only where a parameter has no gradient on this process.
        """
        for bucket in self._buckets:
            bucket.average()


class Bucket:
    """Parameters and buffers of one dtype in one flat tensor: gradients, a flag for each of them, buffers.

    Args:
        parameters: whose gradients are averaged.
        buffers: what the other processes take over from process 0.
    """

    def __init__(self, parameters: list[nn.Parameter], buffers: list[Tensor]):
        self.parameters, self.buffers = parameters, buffers
        first = (*parameters, *buffers)[0]
        places, used = _places((*parameters, first.new_empty(len(parameters)), *buffers))
        self._flat = torch.zeros(used, dtype=first.dtype, device=first.device)
        at_flags = places[len(parameters)]
        self._gradients = [_view(self._flat, place, tensor) for place, tensor in zip(places, parameters)]
        self._sent = [_view(self._flat, at, tensor) for at, tensor in zip(places[len(parameters) + 1 :], buffers)]
        self._flags = self._flat[at_flags : at_flags + len(parameters)]
        self._to_scale = self._flat[:at_flags]
        self._to_send = self._flat[at_flags + len(parameters) :]
        self._is_first, self._world = dist.get_rank() == 0, dist.get_world_size()

    @torch.no_grad()
    def gather(self) -> None:
        """See `Reduction`."""
        self._flags.fill_(1)
        found, views = [], []
        for index, (parameter, view) in enumerate(zip(self.parameters, self._gradients)):
            if parameter.grad is None:
                view.zero_()
                self._flags[index].zero_()
                continue
            found.append(parameter.grad)
            views.append(view)
            parameter.grad = view
        _copy(views, found)
        self._to_scale.div_(self._world)
        if self._is_first:
            _copy(self._sent, self.buffers)
        else:
            self._to_send.zero_()

    @torch.no_grad()
    def average(self) -> None:
        """See `Reduction`."""
        dist.all_reduce(self._flat)
        if not self._is_first:
            _copy(self.buffers, self._sent)
        missing = [index for index, parameter in enumerate(self.parameters) if parameter.grad is None]
        if missing:
            flags = self._flags.tolist()
            for index in missing:
                self.parameters[index].grad = self._gradients[index] if flags[index] else None


def _of(dtype: torch.dtype, tensors: Iterable[Tensor]) -> list:
    return [tensor for tensor in tensors if tensor.dtype == dtype]


def _places(tensors: Iterable[Tensor]) -> tuple[list[int], int]:
    """The offset of each tensor in a flat tensor, and the size of the flat tensor, in elements."""
    places, used = [], 0
    for tensor in tensors:
        places.append(used)
        aligned = ALIGNED // tensor.element_size()
        used += -(-tensor.numel() // aligned) * aligned
    return places, used


def _view(flat: Tensor, place: int, like: Tensor) -> Tensor:
    """The part of `flat` at this offset, in the shape and memory layout of `like`, which must have no gaps."""
    return flat.as_strided(like.shape, torch.empty_like(like, device="meta").stride(), place)


def _copy(targets: list[Tensor], sources: list[Tensor]) -> None:
    """Copy each source to its target. Pairs of the same layout are copied together in one kernel."""
    alike = [(target, source) for target, source in zip(targets, sources) if target.stride() == source.stride()]
    if alike:
        torch._foreach_copy_(*map(list, zip(*alike)))
    for target, source in zip(targets, sources):
        if target.stride() != source.stride():
            target.copy_(source)
