"""Tandem learning (Wu, Chua, Zhang, G. Li, H. Li, Tan, TNNLS 2021, arXiv:1907.01167; code deepspike/tandem_learning).

A spiking network and an artificial one share their weights. The forward pass computes the spikes of the spiking layers.
The backward pass uses the gradient of the artificial layer ReLU(BN(W c + b)) at c, the spike counts over T of the
spiking layer before it (`tandem_unit.py`). No gradient flows through time. The readout is linear in the spike counts
of the last hidden layer.

The readout of the survey's script @2d8a509 (`cf10/tandem_learning/tandem_my.py`) reads spikes, which have no gradient
there, so only the last layer trains (`readout="spikes"`). The script's line for reading counts is commented out.
"""

from __future__ import annotations

import logging
from typing import Annotated, Literal

from torch import nn

from snnbench.errors import ConfigError
from snnbench.models.parts import Unit
from snnbench.neurons.base import Neuron
from snnbench.neurons.integrate_fire import IF
from snnbench.neurons.lif import LIF
from snnbench.norms.batch_norm import BatchNorm
from snnbench.rules.bptt import BPTT
from snnbench.rules.tandem_unit import counted, counting_readout, detached_readout, in_tandem
from snnbench.synapses.base import Synapse

log = logging.getLogger("snnbench.rules")
CHAIN = "use a plain chain of units such as model=csnn_tandem, or rule=bptt"


class Tandem(BPTT):
    """One forward pass, one backward pass and one optimiser step for each batch.

    Args:
        gain_std: The standard deviation of the normal distribution N(0, gain_std^2) from which the gains of the norms
            start, as released; null keeps the norm's own initial gains.
        readout: "counts" computes logits from spike counts, "spikes" from spikes without a gradient (the survey's
            script as committed).
    """

    rejects = {  # noqa: RUF012
        "delays": "tandem counts spikes over T and a delay moves some past the end; use synapse=plain, or rule=bptt",
        "synapse_filter": "tandem counts spikes over time and a filter weights them by step; use synapse=plain, or "
        "rule=bptt",
        "attention": "attention multiplies two spike trains, which tandem learning cannot compute from spike counts; "
        "use a plain chain of units such as model=csnn_tandem, or rule=bptt",
        "max_pool": "a maximum over spike trains cannot be computed from their spike counts; "
        "use a model with average pooling such as model=csnn_tandem, or rule=bptt",
        "residual": "tandem learning has no shortcuts; "
        "use a plain chain of units such as model=csnn_tandem, or rule=bptt",
        "analogue": "tandem learning needs spikes to count; use neuron=if with neuron.reset=soft",
        "learnable_leak": "the rule gives the neuron no gradient, so its leak would not be trained; "
        "use neuron=if with neuron.reset=soft",
        "parallel_in_time": "the rule gives the neuron no gradient, so its weights over time would not be trained; "
        "use neuron=if with neuron.reset=soft",
    }

    def __init__(
        self,
        gain_std: Annotated[float, "> 0"] | None = 2.0,
        readout: Literal["counts", "spikes"] = "counts",
    ):
        self.gain_std, self.readout = gain_std, readout

    def prepare(self, model: nn.Module) -> None:
        """Set the mechanics of every unit and of the readout.

        Raises:
            ConfigError: The model is no chain of units with one readout, or a neuron or norm has no artificial
                counterpart.
        """
        units = [module for module in model.modules() if isinstance(module, Unit)]
        synapses = [module for module in model.modules() if isinstance(module, Synapse)]
        neurons = [module for module in model.modules() if isinstance(module, Neuron)]
        if [unit.synapse for unit in units] != synapses[:-1] or [unit.neuron for unit in units] != neurons:
            raise ConfigError(
                f"rule=tandem needs units (synapse, norm, neuron) followed by one readout, which "
                f"{type(model).__name__} is not; {CHAIN}"
            )
        for unit in units:
            _refuse_neuron(unit.neuron)
            if extras := unit.extras():
                raise ConfigError(f"rule=tandem has no analogue copy of {extras[0]} in a unit; {CHAIN}")
            self._prepare_norm(unit.norm)
            unit.mechanics, unit.synapse.mechanics = in_tandem, counted
        synapses[-1].mechanics = counting_readout if self.readout == "counts" else detached_readout

    def _prepare_norm(self, norm: nn.Module) -> None:
        """Draw the gains of a unit's norm; raises ConfigError if it has a norm other than a batch norm over (T, N)."""
        if isinstance(norm, nn.Identity):
            return
        plain = isinstance(norm, BatchNorm) and all(
            getattr(type(norm), name) is getattr(BatchNorm, name) for name in ("forward", "normalise")
        )
        if not plain:
            raise ConfigError(
                f"rule=tandem spreads one batch norm over all steps, and {type(norm).__name__} is none; "
                "use norm=bn with norm.momentum=0.9"
            )
        if norm.momentum < 0.5:
            log.warning(
                f"rule=tandem trains on running statistics: norm.momentum={norm.momentum} lets them lag behind the "
                "batch's; the release uses norm.momentum=0.9"
            )
        if self.gain_std is not None:
            nn.init.normal_(norm.weight, 0.0, self.gain_std)


def _refuse_neuron(neuron: Neuron) -> None:
    """Raise ConfigError unless the neuron's spike count approximates ReLU of the sum of its currents."""
    remedy = "use neuron=if with neuron.reset=soft"
    if type(neuron) not in (IF, LIF):
        raise ConfigError(f"rule=tandem has no analogue copy of {type(neuron).__name__}; {remedy}")
    if not neuron.soft:
        raise ConfigError(f"rule=tandem: neuron.reset=hard throws current away, so spikes do not count it; {remedy}")
    if neuron.amplitude != 1:
        raise ConfigError(f"rule=tandem counts spikes: neuron.amplitude={neuron.amplitude} must be 1; {remedy}")
    if getattr(neuron, "decay_input", False):
        raise ConfigError(
            "rule=tandem: neuron.decay_input=true divides the current that the analogue copy sees whole; "
            "set neuron.decay_input=false"
        )
