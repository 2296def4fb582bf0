"""Speed and memory of ours against its peers, measured side by side on the device at hand.

works.py      what is measured: `configs/bench.yaml`, in full or tiny size
engines/      who computes it: one file an engine (ours, reference, eager, compile, spikingjelly, floor)
step.py       one training step of a net, one forward + backward of a layer
clock.py      warm-up, many steps, median and spread, peak memory
table.py, kernels.py, scaling.py, survey.py, recipes.py, neurons.py    what is measured, appended to CSVs as it goes
kernel_steps.py    what the rooflines time
results.py    those CSVs;  pages.py, plots.py    what is generated from them without measuring
"""
