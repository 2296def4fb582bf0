"""Fused operators (Triton) and the one rule that says when they run. Importing this needs neither CUDA nor Triton."""

from snnbench.kernels.dispatch import use

__all__ = ["use"]
