"""Time a step: warm up, run many steps, and report the median, the spread and the peak memory.

On CUDA an event is recorded after each step, and the time of a step lies between two events. So gaps between kernel
launches count as they do in training, and the host never waits. On other devices the host's clock is used.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch

MAX_STEPS = 2000


@dataclass(frozen=True)
class Effort:
    """How long to measure: at least `repeats` steps and `seconds`, after `warmup` steps."""

    repeats: int = 50
    warmup: int = 10
    seconds: float = 1.0


@dataclass(frozen=True)
class Timing:
    """Milliseconds per step. `first_s` is the time of the first call with compilation (s); `peak_gib` needs CUDA."""

    ms_median: float
    ms_p10: float
    ms_p90: float
    steps: int
    first_s: float
    peak_gib: float | None


def measure(
    step: Callable[[], object], device: torch.device, effort: Effort, *, peak_from_start: bool = False
) -> Timing:
    """Time `step`, which must keep no memory between calls.

    The memory of the first call does not count, because it compiles kernels and tries algorithms.

    Args:
        peak_from_start: Whether the peak includes the second call and the warm-up, as a captured graph needs because
            it allocates memory when it is captured. Otherwise only the timed steps count.
    """
    started = time.perf_counter()
    step()
    _wait(device)
    first_s = time.perf_counter() - started
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    step()  # a step that uses a CUDA graph captures it now
    _wait(device)
    began = time.perf_counter()
    for _ in range(effort.warmup):
        step()
    _wait(device)
    each = (time.perf_counter() - began) / max(effort.warmup, 1)
    wanted = math.ceil(effort.seconds / each) if each > 0 else MAX_STEPS
    steps = max(effort.repeats, min(wanted, MAX_STEPS))
    if device.type == "cuda" and not peak_from_start:
        torch.cuda.reset_peak_memory_stats(device)
    times = sorted(_cuda_times(step, steps) if device.type == "cuda" else _host_times(step, steps))
    return Timing(
        ms_median=_quantile(times, 0.5),
        ms_p10=_quantile(times, 0.1),
        ms_p90=_quantile(times, 0.9),
        steps=steps,
        first_s=first_s,
        peak_gib=torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None,
    )


def fresh(device: torch.device) -> None:
    """Clear the remains of the last measurement: garbage, cached memory, compiled graphs and the memory peak.

    cuBLAS keeps a workspace (64 MiB on Hopper) for each stream that it has used, and each captured graph had its own.
    """
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()
    if device.type == "cuda":
        gc.collect()
        torch.cuda.synchronize(device)
        torch._C._cuda_clearCublasWorkspaces()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _cuda_times(step: Callable[[], object], steps: int) -> list[float]:
    events = [torch.cuda.Event(enable_timing=True) for _ in range(steps + 1)]
    events[0].record()
    for event in events[1:]:
        step()
        event.record()
    events[-1].synchronize()
    return [before.elapsed_time(after) for before, after in pairwise(events)]


def _host_times(step: Callable[[], object], steps: int) -> list[float]:
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        step()
        times.append((time.perf_counter() - began) * 1e3)
    return times


def _quantile(ordered: list[float], share: float) -> float:
    """A quantile of a sorted list, interpolated linearly between the two nearest values."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
