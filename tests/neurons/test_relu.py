"""The ANN twin: a model with `neuron=relu` is the plain PyTorch network of its layers, and is counted as one."""

import pytest
import torch
from torch import nn

from snnbench import kernels
from snnbench.metrics.firing import FiringRates
from snnbench.metrics.operations import count_operations
from snnbench.models.csnn import CSNN
from snnbench.models.parts import Parts
from snnbench.neurons.relu import ReLU
from snnbench.norms.batch_norm import BatchNorm
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.synapses.plain import Plain
from tests.tiny import site


def twin(time_steps: int = 1) -> CSNN:
    torch.manual_seed(0)
    neuron = lambda where, **changes: ReLU(where, ATan(), **changes)  # noqa: E731
    return CSNN(Parts(neuron, BatchNorm, Plain(), time_steps), (3, 8, 8), 10, width=6, hidden=12)


def plain_network() -> nn.Sequential:
    """The same layers from torch.nn, the survey's CSNN with ReLU."""
    layers, c_in = [], 3
    for _ in range(2):
        for _ in range(3):
            layers += [nn.Conv2d(c_in, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU()]
            c_in = 6
        layers.append(nn.AvgPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 10))


def loss_and_gradients(net, x, target, mean=False):
    logits = net(x).mean(0) if mean else net(x)
    nn.functional.cross_entropy(logits, target, label_smoothing=0.1).backward()
    return logits.detach(), [p.grad for p in net.parameters()]


@pytest.mark.parametrize("training", [True, False])
def test_twin_is_the_plain_network(training):
    """Forward, gradient and running statistics to 1e-6 in double, 1e-5 in single precision."""
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        ours, theirs = twin().to(dtype).train(training), plain_network().to(dtype).train(training)
        values = list(ours.state_dict().values())
        theirs.load_state_dict(dict(zip(theirs.state_dict(), values, strict=True)))
        x, target = torch.randn(4, 3, 8, 8, dtype=dtype), torch.arange(4)
        got, expected = loss_and_gradients(ours, x[None], target, mean=True), loss_and_gradients(theirs, x, target)
        torch.testing.assert_close(got[0], expected[0], rtol=0, atol=min(tolerance, 1e-6))
        for a, b in zip(got[1], expected[1], strict=True):
            torch.testing.assert_close(a, b, rtol=tolerance, atol=1e-6)
        for a, b in zip(ours.buffers(), theirs.buffers(), strict=True):
            torch.testing.assert_close(a, b)


def test_any_number_of_steps_of_one_image_is_one_step():
    x, target = torch.randn(3, 3, 8, 8), torch.arange(3)
    one, many = twin(), twin(4)
    once = loss_and_gradients(one, x[None], target, mean=True)
    static = loss_and_gradients(many, x.expand(4, -1, -1, -1, -1), target, mean=True)
    torch.testing.assert_close(static[0], once[0])
    for a, b in zip(static[1], once[1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    for buffer, other in zip(many.buffers(), one.buffers()):
        torch.testing.assert_close(buffer, other)  # running_var too: the image was normalised once


def test_static_sequences_stay_static():
    x, residual = (torch.randn(2, 3, 4).expand(5, -1, -1, -1) for _ in range(2))
    layer = ReLU(site(), ATan())
    assert layer(x).stride(0) == layer(x, residual=residual).stride(0) == 0
    torch.testing.assert_close(layer(x, residual=residual), (x + residual).relu())
    torch.testing.assert_close(layer(x, residual=torch.randn(5, 2, 3, 4) * 0), x.relu())
    norm = BatchNorm(Site(3, 5)).eval()
    torch.testing.assert_close(layer(x, norm, residual), (norm(x) + residual).relu())


def test_no_kernel_is_missed(caplog):
    with kernels.use("fused"):
        ReLU(site(), ATan())(torch.randn(2, 2, 3))
    assert not caplog.records


def test_analogue_units_have_no_firing_rate_and_no_synaptic_operations():
    net, x = twin(), torch.randn(1, 2, 3, 8, 8)
    with FiringRates(net) as firing:
        net(x)
    assert firing.rates() == {}
    found = count_operations(net, [x])
    assert found["macs"] == found["dense_macs"] > 0
    assert found["acs"] == 0
    assert found["sop"] is found["sop_survey"] is None
    assert len(net.neurons()) == 7  # features can still be tapped there
