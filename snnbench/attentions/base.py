"""The contract of attentions, which scale a layer's currents or its membrane potentials.

The axis `attention` builds one `Attention` for each unit, and for each projection that a model chooses. The object is
no module itself. It provides at most one module for each of two places, and the layer owns these modules:

    conv_post      the current between norm and neuron, [T, N, C, *] -> same, behind the pool and before a residual
    activate_pre   the membrane potential of one step before the threshold, [N, C, *] -> same; the reset acts on the
                   potential itself (see `MembraneNeuron.compared`)

A unit with a module at conv_post runs its norm and its neuron one after the other instead of in one fused pass. A
neuron with a module at activate_pre runs as plain PyTorch. All other layers are unaffected.
"""

from __future__ import annotations

from torch import nn

from snnbench.site import Site


class Attention:
    """No attention: both places stay empty. A subclass fills one or both of them in its constructor.

    A module at conv_post receives whole sequences or, under a rule that walks, one step at a time (T = 1). An attention
    that needs the whole sequence declares `rejects = {"online": "<why, and what to use instead>"}` in its class.

    Args:
        site: The layer's channels, time steps, threshold and number of axes behind the channels (`site.dims` is 0 for
            a fully connected layer). The program passes it.
    """

    conv_post: nn.Module | None = None
    activate_pre: nn.Module | None = None

    def __init__(self, site: Site):
        self.site = site
