"""Fused operators (Triton) beside their plain PyTorch reference. Importing this needs neither CUDA nor Triton.

dispatch.py      decides for each layer whether a kernel, compiled code or plain PyTorch runs, and says why
compiled.py      a neuron that no kernel knows: its own Python through torch.compile
common/          what the families share: forms, the norm's kernels, tiles, memory layout, surrogate derivatives
membrane/        charge, fire, reset over time: IF, LIF, PLIF, CLIF, GLIF; one step of a walk
adaptive/        ALIF and BlockALIF
parallel/        neurons that are one matrix over time: the PSN family
renormalised/    OSR's norm and neuron, one step at a time
attention/       softmax-free attention of spikes
pooling/         average and max pooling of channels-last maps

`form` (or `entry`, where no neuron states a form) and `codes` are what the rest of the package imports; they need no
Triton. `device` holds the equations, `sequence`, `matrix`, `sliding` and `kernels` the Triton kernels, and `ops` the
operators of torch.library that launch them.

A new fused neuron adds its equations to the folder of its family (for `membrane`: a number in `codes`, the equations in
`device`), or brings a folder of its own with a `Form`. It gives that form in `kernel_form()`. No other file changes.
"""

from snnbench.kernels.common.mode import use

__all__ = ["use"]
