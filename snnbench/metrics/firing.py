"""Firing rates of every neuron layer, counted by hooks without waiting for the GPU, and warnings about them.

A rate is the fraction of non-zero outputs over time, samples and neurons, hence the number of spikes for each neuron
and time step. Analogue units (neuron=relu) do not spike and are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def neuron_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The spiking layers by name: those of `model.neurons()` if it exists, else all modules with a `surrogate`."""
    found = model.neurons() if hasattr(model, "neurons") else dict(model.named_modules())
    return {name: module for name, module in found.items() if hasattr(module, "surrogate") and not is_analogue(module)}


def is_analogue(module: nn.Module) -> bool:
    """Whether a module's outputs are activations of an ordinary network, not spikes."""
    return "analogue" in getattr(module, "traits", ())


def spikes(output: Tensor) -> Tensor:
    """The number of outputs `[T, N, *]` that are not zero, as an int64 0-d tensor on their device."""
    return count_in_one_pass(output) if output.is_cuda else torch.count_nonzero(output)


def count_in_one_pass(output: Tensor) -> Tensor:
    """As `torch.count_nonzero`, which on CUDA writes an int64 for every value and is slower there.

    The fp32 sums are exact, because a sample has fewer than 2^24 outputs at one step.
    """
    per_sample = torch.linalg.vector_norm(output, 0, dim=tuple(range(2, output.ndim)) or 1, dtype=torch.float32)
    return per_sample.sum(dtype=torch.int64)


class FiringRates:
    """Context manager: counts every neuron layer's spikes `[T, N, *]` while it is open.

    with FiringRates(model) as firing:
        model(x_seq)
    firing.rates()          # {"stem.neuron": 0.12, ...}; only this call waits for the GPU

    Attributes:
        outputs: The number of output values of each layer, by name in forward order.
    """

    def __init__(self, model: nn.Module):
        self.model = model
        self.outputs: dict[str, int] = {}
        self._fired: dict[str, Tensor] = {}
        self._handles: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> FiringRates:
        for name, module in neuron_layers(self.model).items():
            self._handles.append(module.register_forward_hook(self._counter(name)))
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _counter(self, name: str):
        def count(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            fired = spikes(output.detach())
            self._fired[name] = self._fired[name] + fired if name in self._fired else fired
            self.outputs[name] = self.outputs.get(name, 0) + output.numel()

        return count

    def fired(self) -> Tensor:
        """Spikes of every layer that ran, int64 `[layers]` in forward order, on the device."""
        return torch.stack(list(self._fired.values())) if self._fired else torch.zeros(0, dtype=torch.int64)

    def rates(self) -> dict[str, float]:
        """Rate in [0, 1] of every layer that ran, in forward order."""
        return {name: fired / self.outputs[name] for name, fired in zip(self.outputs, self.fired().tolist())}


class FiringMeter:
    """Rates over many batches whose spikes were counted elsewhere, for example in a CUDA graph."""

    def __init__(self) -> None:
        self._fired: Tensor | None = None
        self._seen = 0

    def add(self, fired: Tensor, samples: int) -> None:
        """Add the numbers of spikes `fired` `[layers]` of a batch with this number of samples."""
        self._fired = fired.clone() if self._fired is None else self._fired + fired
        self._seen += samples

    def rates(self, outputs_a_sample: dict[str, int], strategy=None) -> dict[str, float]:
        """The rate in [0, 1] of each layer, over all processes of Lightning's `strategy`; waits for the GPU."""
        if self._fired is None:
            return {}
        counts = torch.cat([self._fired, self._fired.new_tensor([self._seen])])
        if strategy is not None and strategy.world_size > 1:
            counts = strategy.reduce(counts, reduce_op="sum")
        *fired, seen = counts.tolist()
        return {name: count / (outputs_a_sample[name] * seen) for name, count in zip(outputs_a_sample, fired)}


DEAD = 0.001  # spikes for each neuron and time step, below which a layer passes hardly any information
SATURATED = 0.9


def dead(rates: dict[str, float]) -> list[str]:
    """The names of the layers that fire below the rate `DEAD`."""
    return [name for name, rate in rates.items() if rate < DEAD]


def warnings(rates: dict[str, float]) -> list[str]:
    """One sentence for every layer that is dead or saturated."""
    sentences = []
    for name, rate in rates.items():
        if rate < DEAD:
            sentences.append(
                f"Layer {name} is nearly dead: it fires at {rate:.3%} (below {DEAD:.1%}); "
                "lower v_th, raise the gain of its norm or use a wider surrogate."
            )
        elif rate > SATURATED:
            sentences.append(
                f"Layer {name} is saturated: it fires at {rate:.1%} (above {SATURATED:.0%}); raise v_th or add a norm."
            )
    return sentences
