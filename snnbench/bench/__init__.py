"""Speed and memory of ours against its peers, measured side by side on the device at hand.

works.py      what is measured: `configs/bench.yaml`, in full or tiny size
engines/      who computes it: one file an engine (ours, reference, eager, compile, spikingjelly, floor)
step.py       one training step of a net, one forward and backward of a layer; the modes in which a step runs
batch.py      the random batch that every engine gets
clock.py      warm-up, many steps, median and spread, peak memory
flops.py      model FLOPs of a step, and their share of the device's peak
session.py    one call of the bench; every row carries its run id, and only rows of one run are compared
table.py, kernels.py, scaling.py, saturation.py, end_to_end.py, survey.py, recipes.py, neurons.py
              the measurements; each appends to a CSV as it goes (`snnbench.bench_rows`)
kernel_steps.py, trainer_step.py    the steps of the rooflines, and of a whole configuration
comparison.py, pages.py, sections.py, plots.py    what is generated from the CSVs; nothing is measured there
"""
