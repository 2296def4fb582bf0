"""The axes of a configuration: the config group, the package of its components, and the injected arguments.

snnbench passes an injected argument when it builds the component; it never appears in YAML. A component is a class or,
if `functions` is true, a function.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    package: str
    injected: frozenset[str]
    help: str
    optional: bool = False  # A configuration may leave the axis out, or choose `axis=null` or `axis=none`.
    functions: bool = False  # A component of this axis may be a function instead of a class.


def _axis(package: str, help: str, *injected: str, optional: bool = False, functions: bool = False) -> Axis:
    return Axis(package, frozenset(injected), help, optional, functions)


AXES: dict[str, Axis] = {
    "data": _axis("snnbench.data", "data set", "batch_size", "eval_batch_size", "time_steps", "seed", "augment"),
    "augment": _axis("snnbench.data", "training augmentation of a sample and mixing of a batch"),
    "encoder": _axis("snnbench.encoders", "how a sample becomes a sequence of T inputs", "time_steps"),
    "model": _axis("snnbench.models", "architecture", "parts", "in_shape", "num_classes"),
    "neuron": _axis("snnbench.neurons", "spiking neuron", "site", "surrogate"),
    "surrogate": _axis("snnbench.surrogates", "derivative that stands in for the Heaviside's"),
    "norm": _axis("snnbench.norms", "normalisation between synapse and neuron", "site"),
    "attention": _axis("snnbench.attentions", "what weighs a layer's currents or potentials", "site", optional=True),
    "synapse": _axis("snnbench.synapses", "flavour of convolutions and linear layers"),
    "objective": _axis("snnbench.objectives", "loss on the logits of all steps"),
    "teacher": _axis("snnbench.teachers", "trained network that an objective distils from", optional=True),
    "rule": _axis("snnbench.rules", "learning rule: how gradients are made"),
    "optimizer": _axis("snnbench.train.optim", "optimiser", "model", functions=True),
    "schedule": _axis("snnbench.train.schedules", "learning-rate schedule", "epochs"),
}

BUNDLES: dict[str, str] = {
    "method": "named bundle of the axes above, as a paper proposed it",
    "experiment": "complete recipe that reproduces one published row",
}

# the sections without components: name -> class in snnbench.config.schema with its keys; "" is the top level
SECTIONS = {"": "Run", "paths": "Paths", "train": "Train", "start": "Start", "measure": "Measure", "log": "Log"}
