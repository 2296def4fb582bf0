"""Online training through time (Xiao, Meng, Zhang, He, Lin, NeurIPS 2022, arXiv:2210.04195).

The network walks through time; each step has its own loss, its own backward pass and no gradient to earlier steps. A
presynaptic trace (see `trace.py`) stands for the past, so memory does not grow with T. Variant A accumulates the
gradients of all steps and updates once a batch; variant O updates at every step.

As in the released code (and SpikingJelly): the first synapse keeps its instantaneous input, the readout uses a trace
although it has no dynamics. `trace_first=True, trace_readout=False` is the rule as derived: exact for one hidden layer
with a soft, detached reset.
"""

from __future__ import annotations

from typing import Annotated, Literal

from torch import nn

from snnbench.errors import ConfigError
from snnbench.neurons.base import Neuron
from snnbench.neurons.lif import LIF
from snnbench.rules.base import Batch, Outcome, Rule
from snnbench.rules.trace import TraceMechanics
from snnbench.rules.walk import walk_batch
from snnbench.synapses.base import Synapse


class OTTT(Rule):
    """Walks the batch step by step; memory is constant in T.

    Args:
        variant: "A" one optimiser step a batch, "O" one a time step.
        tau: time constant of the traces, lam = 1 - 1/tau; must be the neurons' own.
        trace_first: the first synapse uses a trace of the input as well.
        trace_readout: the last synapse uses a trace (released VGG code) or its instantaneous input (exact; NF-ResNet).
    """

    traits = ("online",)
    rejects = {  # noqa: RUF012
        "batch_statistics": "online rules see one time step at a time, so statistics over time do not exist; "
        "use norm=none with synapse=weight_std",
        "attention": "attention multiplies two sequences of spikes, for which there is no presynaptic trace; "
        "use a convolutional model such as model=vgg11_ws, or rule=bptt",
        "max_pool": "a trace passes linear pooling only, and max pooling is not linear; "
        "use a model with average pooling such as model=vgg11_ws, or rule=bptt",
        "no_leak": "the traces decay with the neurons' time constant and this neuron has none; use neuron=lif_ottt",
        "learnable_leak": "the traces need a fixed time constant; use neuron=lif_ottt",
        "parallel_in_time": "online rules see one time step at a time and this neuron needs the whole sequence; "
        "use neuron=lif_ottt",
    }
    requires = {  # noqa: RUF012
        "per_step_loss": "an online rule needs a loss of each time step alone; use objective=per_step or objective=tet",
    }

    def __init__(
        self,
        variant: Literal["A", "O"] = "A",
        tau: Annotated[float, "> 1"] = 2.0,
        trace_first: bool = False,
        trace_readout: bool = True,
    ):
        self.variant, self.tau = variant, tau
        self.trace_first, self.trace_readout = trace_first, trace_readout
        self.one_step_at_the_end = variant == "A"

    def prepare(self, model: nn.Module) -> None:
        """Give every synapse its trace.

        Raises:
            ConfigError: a neuron is no LIF, or its tau is not the rule's.
        """
        for neuron in (module for module in model.modules() if isinstance(module, Neuron)):
            if not isinstance(neuron, LIF):
                raise ConfigError(f"rule=ottt needs LIF neurons, not {type(neuron).__name__}; use neuron=lif_ottt")
            if abs(neuron.tau - self.tau) > 1e-6:
                raise ConfigError(
                    f"rule.tau={self.tau} must equal neuron.tau={neuron.tau}: the traces decay as the membranes do; "
                    f"set rule.tau={neuron.tau}"
                )
        synapses = [module for module in model.modules() if isinstance(module, Synapse)]
        first = 0 if self.trace_first else 1
        last = len(synapses) if self.trace_readout else len(synapses) - 1
        for synapse in synapses[first:last]:
            synapse.mechanics = TraceMechanics(1 - 1 / self.tau)

    def train_batch(self, model: nn.Module, batch: Batch) -> Outcome:
        return walk_batch(model, batch, each_step=self.variant == "O")
