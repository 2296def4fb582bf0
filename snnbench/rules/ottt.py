"""Online training through time (Xiao, Meng, Zhang, He, Lin, NeurIPS 2022, arXiv:2210.04195).

The network runs one time step at a time. Each step has its own loss and backward pass, and no gradient flows to earlier
steps. A decaying sum of a synapse's earlier inputs, its presynaptic trace (`trace.py`), replaces them, so memory does
not grow with T. Variant A adds up the gradients of all steps and updates the weights once for each batch; variant O
updates them at every step.

As in the released code and SpikingJelly, the first synapse uses its input of the step without a trace, and the readout
uses a trace although it has no membrane. `trace_first=True, trace_readout=False` is the rule as derived in the paper,
which is exact for one hidden layer with a soft, detached reset.
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
    """Trains step by step with memory that is constant in T.

    Args:
        variant: "A" steps the optimiser once for each batch, "O" once for each time step.
        tau: The time constant of the traces, lam = 1 - 1/tau. It must equal that of the neurons.
        trace_first: True gives the first synapse a trace of its input as well.
        trace_readout: True gives the last synapse a trace (released VGG code); False uses its input of the step
            (as derived; released NF-ResNet code).
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
        """Give the synapses their traces.

        Raises:
            ConfigError: A neuron is no LIF, or its tau differs from the rule's.
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
