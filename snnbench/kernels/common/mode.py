"""Whether kernels should run at all here and now.

with use("reference"): ...        # `kernels=reference` on the command line
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import torch
from torch import Tensor, nn

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_MODE: ContextVar[str] = ContextVar("snnbench_kernels", default="auto")
log = logging.getLogger("snnbench.kernels")


@contextmanager
def use(mode: str) -> Iterator[None]:
    """Run what is inside with `auto` (fused where possible), `reference`, or `fused` (also off CUDA: interpreter)."""
    token = _MODE.set(mode)
    try:
        yield
    finally:
        _MODE.reset(token)


def wanted(x: Tensor) -> bool:
    """Whether kernels should run on this tensor. Callers ask this first, since it costs least."""
    mode = _MODE.get()
    return mode == "fused" or (mode == "auto" and x.is_cuda)


def ready(x: Tensor) -> bool:
    """Whether kernels should run on this tensor and Triton is installed."""
    return wanted(x) and has_triton()


@cache
def has_triton() -> bool:
    """Whether Triton is installed; the log says it once if not."""
    try:
        import triton  # noqa: F401
    except ImportError:
        log.warning("Triton is not installed: neurons run as plain PyTorch (kernels=reference)")
        return False
    return True


def hooked(module: nn.Module) -> bool:
    """Whether the module has hooks. Its forward must then really be called, and no kernel may replace it."""
    return any((module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks))
