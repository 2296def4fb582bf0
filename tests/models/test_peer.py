"""Residual nets against SpikingJelly 2.0's, weights copied over: the same logits."""

import pytest
import torch
from torch import nn

from .building import IF, build, make_parts

pytestmark = pytest.mark.peer
peer = pytest.importorskip("spikingjelly.activation_based")


def layers_in_peer_order(model: nn.Module) -> list[nn.Module]:
    """Convolutions, norms and linear layers; SpikingJelly registers a block's shortcut last."""
    if isinstance(model, (nn.Conv2d, nn.Linear)) or hasattr(model, "running_mean"):
        return [model]
    children = sorted(model.named_children(), key=lambda child: child[0] == "shortcut")
    return [layer for _, child in children for layer in layers_in_peer_order(child)]


@pytest.mark.parametrize("name", ["sew_resnet18", "sew_resnet50", "spiking_resnet18", "ms_resnet18"])
def test_same_logits_as_spikingjelly(name):
    from spikingjelly.activation_based import functional, neuron, surrogate
    from spikingjelly.activation_based.model import ms_resnet, sew_resnet, spiking_resnet

    family = {"sew": sew_resnet, "spiking": spiking_resnet, "ms": ms_resnet}[name.split("_")[0]]
    cnf = {"cnf": "ADD"} if family is sew_resnet else {}
    theirs = getattr(family, name)(
        spiking_neuron=neuron.IFNode, surrogate_function=surrogate.ATan(), detach_reset=True, num_classes=10, **cnf
    )
    functional.set_step_mode(theirs, "m")
    model = build(name, (3, 64, 64), 10, make_parts(IF), stem="imagenet")
    ours = layers_in_peer_order(model)
    for layer in ours:
        if hasattr(layer, "running_mean"):  # also wakes zero-initialised branches
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.2, 0.4)
    for mine, other in zip(ours, layers_in_peer_order(theirs), strict=True):
        other.load_state_dict(mine.state_dict())
    x_seq = torch.randn(2, 2, 3, 64, 64)
    with torch.no_grad():
        logits, expected = model(x_seq), theirs(x_seq)
    if expected.dim() == 2:  # their MS-ResNet takes the mean over T itself
        logits = logits.mean(0)
    assert logits.std() > 0.05
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
