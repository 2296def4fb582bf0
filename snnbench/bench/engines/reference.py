"""Ours on its reference path, plain PyTorch: what the fused kernels are compared with in the scaling curves."""

from __future__ import annotations

import torch

from snnbench.bench.engines.ours import prepare_ours, variants
from snnbench.bench.step import Prepared, Variant
from snnbench.bench.works import Work

__all__ = ["prepare", "variants"]


def prepare(work: Work, variant: Variant, device: torch.device) -> Prepared:
    return prepare_ours(work, variant, device, "reference")
