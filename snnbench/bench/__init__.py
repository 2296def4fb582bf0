"""Measure speed and memory of snnbench and of other frameworks on the same device.

works.py      what is measured: the works of `configs/bench.yaml`, in full or tiny size
engines/      the implementations that are compared: ours, reference, eager, compile, spikingjelly, floor
step.py       a training step of a network, the forward and backward pass of a layer, the modes in which a step runs
batch.py      the random batch that every engine gets
clock.py      warm-up, many steps, median and spread, peak memory
flops.py      model FLOPs of a step, and their share of the device's peak
session.py    one call of the bench; every row carries its run id, and only rows of one run are compared
table.py, kernels.py, scaling.py, saturation.py, end_to_end.py, survey.py, recipes.py, neurons.py
              the measurements; each appends its rows to a CSV file at once (`snnbench.bench_rows`)
kernel_steps.py, trainer_step.py    the steps for the rooflines, and for a whole configuration
comparison.py, pages.py, sections.py, plots.py    write pages and plots from the CSV files; they measure nothing
"""
