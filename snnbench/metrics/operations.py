"""The operations of a spiking network per sample, measured on data: dense MACs, MACs, ACs, SOPs and 45 nm energy.

MAC is a multiply-accumulate, AC an accumulate alone, and SOP a synaptic operation as papers count it.

All counts are in millions per sample over all T steps; energy in mJ per sample.

For the energy, the input of a layer is classified by its values over all measured batches:

    spikes   0 and one magnitude (the weights can absorb it): ACs = dense MACs x share of non-zero inputs
    counts   integers (sums of SEW-ADD, event frames): a 1 needs ACs, a larger value MACs, a 0 nothing
    real     anything else (images, average-pooled spikes): every dense MAC is a MAC, also for inputs that are 0

A static sequence (one image shown T times) is multiplied once: the `macs` of its layer count one step, while
`dense_macs` counts all T, as in the energy formula of Spikformer (Zhou et al., ICLR 2023), whose first layer has no
factor T. In the matrix product of two activations (attention), each spike of the sparser spiking operand costs the
accumulation of one row of the other operand; without a spiking operand the product costs dense MACs. An elementwise
product of two activations (a mask on spikes) is counted in the same way, with one operation for each element of its
output. Biases, norms (the synapse can absorb them), pools and the updates of the neurons are not counted. By default
E = 4.6 pJ x MACs + 0.9 pJ x ACs (Horowitz, ISSCC 2014, 45 nm).

For comparison with papers, `sop` is the sum over layers of dense MACs x mean input value. For spikes this is FLOPs x
firing rate; average pooling does not change it, because it keeps the mean. The layer that reads a real-valued image has
no firing rate and is left out, as in the survey.

The survey's own counter (its `cf10/energy.py`, commit 2d8a509) gives smaller numbers: it multiplies the FLOPs of a
convolution by the width of its output but not by the height (in one dimension, by 1), and adds the operations of a bias
to every layer. `sop_survey` repeats this count only for comparison with the survey's tables; it is null for networks
with attention, which the survey does not have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.metrics.firing import is_analogue
from snnbench.models.layers import SpikeMatmul, SpikeProduct
from snnbench.modules import evaluated
from snnbench.synapses.base import Synapse
from snnbench.temporal import is_static

ENERGY_45NM = {"mac_pj": 4.6, "ac_pj": 0.9}
MILLION = 1e6


@dataclass
class InputStatistics:
    """Statistics of the values of an input over all calls; they stay on the GPU until `read`."""

    calls: list[Tensor] = field(default_factory=list)
    numel: int = 0

    def add(self, x: Tensor) -> None:
        x = x.detach()
        size = x.abs().float()
        smallest = torch.where(size > 0, size, math.inf).amin()
        counts = [torch.count_nonzero(x), (size == 1).sum(), (size != size.round()).sum(), (x < 0).sum()]
        numbers = [smallest, size.amax(), size.sum(dtype=torch.float64)]
        self.calls.append(torch.stack([number.double() for number in (*counts, *numbers)]))
        self.numel += x.numel()

    def read(self) -> None:
        """Wait for the GPU and combine the calls."""
        values = torch.stack(self.calls).cpu()
        self.nonzeros, self.ones, fractions, negatives = values[:, :4].sum(0).tolist()
        smallest, largest = values[:, 4].min().item(), values[:, 5].max().item()
        self.signed = negatives > 0
        self.mean = values[:, 6].sum().item() / self.numel
        self.density = self.nonzeros / self.numel
        self.amplitude = largest if self.nonzeros and smallest == largest else 1.0
        if self.nonzeros == 0 or smallest == largest:
            self.kind = "spikes"
        else:
            self.kind = "real" if fractions else "counts"

    @property
    def rate(self) -> float:
        """The mean number of spikes in an input element: the firing rate, or the mean of counts."""
        return self.density if self.kind == "spikes" else self.mean


class LayerCount:
    """The dense operations of one synapse or product over all calls, and the statistics of its inputs."""

    def __init__(self, operands: int):
        self.inputs = [InputStatistics() for _ in range(operands)]
        self.dense = 0.0  # multiply-accumulates of all calls at all T steps
        self.once = 0.0  # the same with static sequences counted once
        self.survey_flops = 0.0
        self.is_first = False

    def result(self, samples: int) -> dict[str, float | str]:
        """This layer's entry of `per_layer`, in millions per sample."""
        for statistics in self.inputs:
            statistics.read()
        spiking = [statistics for statistics in self.inputs if statistics.kind == "spikes"]
        driver = min(spiking or self.inputs, key=lambda statistics: statistics.density)
        macs = acs = 0.0
        if driver.kind == "spikes":
            acs = self.once * driver.density
        elif driver.kind == "counts" and len(self.inputs) == 1:
            acs = self.once * driver.ones / driver.numel
            macs = self.once * (driver.nonzeros - driver.ones) / driver.numel
        else:
            macs = self.once
        analog = driver.kind == "real" and (self.is_first or driver.signed or self.once < self.dense)
        sop = 0.0 if analog else self.dense * driver.rate
        scale = 1 / (samples * MILLION)
        return {
            "input": driver.kind,
            "density": driver.density,
            "dense_macs": self.dense * scale,
            "macs": macs * scale,
            "acs": acs * scale,
            "sop": sop * scale,
            "sop_survey": 0.0 if self.is_first else self.survey_flops * driver.rate * scale,
        }


def survey_flops_of(weight: Tensor, x: Tensor, y: Tensor) -> float:
    """The operations of one call as the survey's script counts them (see the top of this file)."""
    steps_samples = y.shape[0] * y.shape[1]
    if weight.dim() == 2:  # its linear layer: inputs x outputs + outputs
        return float(x.numel() * weight.shape[0] + weight.shape[0] * steps_samples)
    return float(steps_samples * (weight.numel() + weight.shape[0]) * math.prod(y.shape[4:]))


def _hooks(model: nn.Module, layers: dict[str, LayerCount]) -> list[torch.utils.hooks.RemovableHandle]:
    def count(name: str, macs_an_output: int, inputs: tuple[Tensor, ...], y: Tensor) -> LayerCount:
        if name not in layers:
            layers[name] = LayerCount(len(inputs))
            layers[name].is_first = len(layers) == 1
        layer = layers[name]
        static = all(is_static(x) for x in inputs)
        for x, statistics in zip(inputs, layer.inputs):
            statistics.add(x)
        layer.dense += y.numel() * macs_an_output
        layer.once += y.numel() * macs_an_output / (y.shape[0] if static else 1)
        return layer

    def on_synapse(name: str):
        def hook(module: nn.Module, inputs: tuple, y: Tensor) -> None:
            layer = count(name, module.weight[0].numel(), (inputs[0],), y)
            layer.survey_flops += survey_flops_of(module.weight, inputs[0], y)

        return hook

    def on_product(name: str):
        def hook(module: nn.Module, inputs: tuple, y: Tensor) -> None:
            count(name, inputs[0].shape[-1] if isinstance(module, SpikeMatmul) else 1, inputs[:2], y)

        return hook

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, Synapse):
            handles.append(module.register_forward_hook(on_synapse(name)))
        elif isinstance(module, SpikeMatmul | SpikeProduct):
            handles.append(module.register_forward_hook(on_product(name)))
    return handles


def count_operations(
    model: nn.Module, batches: Iterable[Tensor], constants: Mapping[str, float] = ENERGY_45NM
) -> dict[str, object]:
    """Count the operations of `model` over `batches` of encoded input `[T, N, *]`.

    Args:
        model: A network whose linear maps are `Synapse`s and whose products of activations are `SpikeMatmul`s
            and `SpikeProduct`s.
        batches: The encoded input sequences, on the device of the model.
        constants: The energy of one operation in pJ, `{"mac_pj": 4.6, "ac_pj": 0.9}`.

    Returns:
        In millions per sample: dense_macs, macs, acs, sop, sop_survey and first_layer_macs (dense MACs of one step of
        the first layer that runs). Further energy_mj, constants, samples, and per_layer, which has the same numbers
        and the kind and density of the input for each layer that ran.

    Raises:
        ConfigError: There is no batch or no synapse, or an energy constant is missing.
    """
    for key in ENERGY_45NM:
        if key not in constants:
            raise ConfigError(f"energy constants lack '{key}' (pJ of one operation); the 45 nm ones are {ENERGY_45NM}")
    layers: dict[str, LayerCount] = {}
    handles, samples, time_steps = _hooks(model, layers), 0, 1
    try:
        with evaluated(model), torch.no_grad():
            for x_seq in batches:
                model(x_seq)
                time_steps, samples = x_seq.shape[0], samples + x_seq.shape[1]
    finally:
        for handle in handles:
            handle.remove()
    if not layers:
        raise ConfigError("no operation was counted: give at least one batch and a model made of snnbench synapses")
    per_layer = {name: layer.result(samples) for name, layer in layers.items()}
    if any(is_analogue(module) for module in model.modules()):
        per_layer = {name: layer | {"sop": None, "sop_survey": None} for name, layer in per_layer.items()}
    attention = any(len(layer.inputs) == 2 for layer in layers.values())

    def total(key: str) -> float | None:
        values = [layer[key] for layer in per_layer.values()]
        return None if None in values else sum(values)

    return {
        "dense_macs": total("dense_macs"),
        "macs": total("macs"),
        "acs": total("acs"),
        "sop": total("sop"),
        "sop_survey": None if attention else total("sop_survey"),
        "first_layer_macs": next(iter(per_layer.values()))["dense_macs"] / time_steps,
        "energy_mj": (total("macs") * constants["mac_pj"] + total("acs") * constants["ac_pj"]) / 1000,
        "constants": {key: float(constants[key]) for key in ENERGY_45NM},
        "samples": samples,
        "per_layer": per_layer,
    }
