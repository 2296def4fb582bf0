"""Fused operators (Triton) beside their plain PyTorch reference. Importing this needs neither CUDA nor Triton.

dispatch.py      decides for each layer whether a kernel or plain PyTorch runs, and knows the reason
common/          what the families share: forms, the norm's kernels, tiles, memory layout, surrogate derivatives
membrane/        charge, fire, reset over time: IF, LIF, PLIF, CLIF, GLIF; one step of a walk
adaptive/        ALIF and BlockALIF
parallel/        neurons that are one matrix over time: the PSN family
renormalised/    OSR's norm and neuron, one step at a time
attention/       softmax-free attention of spikes
pooling/         average and max pooling of channels-last maps

A family of neurons has the same files: `codes` numbers its kinds, `device` computes them, `sequence` (or `matrix`,
`sliding`) walks over time, `ops` launches the kernels as operators of torch.library, and `form` is what a neuron gives
to `dispatch`. Only `form` and `codes` are read without Triton.
"""

from snnbench.kernels.common.mode import use

__all__ = ["use"]
