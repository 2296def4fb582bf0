"""Fused layers inside torch.compile and inside CUDA graphs."""

import copy

import pytest
import torch
from torch.nn import functional as F

from snnbench import kernels
from snnbench.encoders.direct import Direct
from snnbench.kernels.membrane import ops
from snnbench.models.csnn import CSNN
from snnbench.models.parts import Parts, Unit
from snnbench.neurons.block_alif import BlockALIF
from snnbench.neurons.clif import CLIF
from snnbench.neurons.glif import GLIF
from snnbench.neurons.lif import LIF
from snnbench.norms.batch_norm import BatchNorm
from snnbench.norms.tebn import TEBN
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.surrogates.dspike import Dspike
from snnbench.synapses.plain import Plain
from snnbench.train.capture import CapturedBatch
from snnbench.train.task import Task
from tests.kernels.parity import is_fused


def parts_of(neuron, norm) -> Parts:
    return Parts(lambda site, **changes: neuron(site, ATan(), **changes), norm, Plain(), 4)


PARTS = parts_of(LIF, BatchNorm)


def trained(unit: Unit, function, x, residual):
    """Spikes, gradients and running statistics of one call of `function`, which stands for `unit`."""
    unit.zero_grad()
    spikes = function(x, residual)
    spikes.square().sum().backward()
    return spikes.detach(), [p.grad for p in unit.parameters()], [b.clone() for b in unit.buffers()]


@pytest.mark.parametrize(
    ("parts", "with_residual"),
    [(PARTS, False), (PARTS, True), (parts_of(GLIF, TEBN), True), (parts_of(BlockALIF, BatchNorm), True)],
    ids=["lif", "lif-residual", "glif-tebn-residual", "block_alif-residual"],
)
def test_compiled_unit_equals_eager(parts, with_residual, device):
    """The CPU has no compiled kernels to inline: there only the tracing is tested."""
    torch._dynamo.reset()
    eager = parts.unit(3, 5).to(device)
    unit = copy.deepcopy(eager)
    x = torch.randn(4, 2, 3, 6, 6, generator=torch.Generator().manual_seed(0)).to(device) * 3
    residual = torch.ones(4, 2, 5, 6, 6, device=device) if with_residual else None
    compiled = torch.compile(unit, fullgraph=False, backend="inductor" if device == "cuda" else "aot_eager")
    with kernels.use("fused"):
        for _ in range(2):
            expected = trained(eager, eager, x, residual)
            found = trained(unit, compiled, x, residual)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert 0 < found[0].mean() < 1


def csnn_steps(parts: Parts, captured: bool, steps: int = 3):
    """Losses and the parameters and statistics of a tiny CSNN after `steps` steps of SGD on CUDA, fused kernels."""
    torch.manual_seed(0)
    model = CSNN(parts, (3, 8, 8), 10, width=8, hidden=16).cuda().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    generator, losses = torch.Generator().manual_seed(1), []

    def forward_backward(x, target):
        loss = F.cross_entropy(model(x.unsqueeze(0).expand(4, *x.shape)).mean(0), target)
        loss.backward()
        return (loss.detach(),)

    batch = CapturedBatch(model, forward_backward)
    for _ in range(steps):
        x = (torch.randn(6, 3, 8, 8, generator=generator) * 2).cuda().contiguous(memory_format=torch.channels_last)
        target = torch.randint(10, (6,), generator=generator).cuda()
        if captured:
            (loss,) = batch(x, target)
        else:
            model.zero_grad()
            (loss,) = forward_backward(x, target)
        optimizer.step()
        losses.append(loss.item())
    return losses, dict(model.state_dict())


@pytest.mark.gpu
@pytest.mark.parametrize("neuron", [LIF, CLIF, GLIF])
def test_captured_steps_equal_eager_steps(neuron, monkeypatch):
    parts = parts_of(neuron, BatchNorm if neuron is LIF else TEBN)
    calls, run = [], ops.run
    monkeypatch.setattr(ops, "run", lambda *arguments: calls.append(1) or run(*arguments))
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    losses, state = csnn_steps(parts, captured=False)
    assert len(calls) == 3 * 7  # six convolutions' neurons and the hidden layer's, each step
    captured_losses, captured_state = csnn_steps(parts, captured=True)
    assert len(calls) == 3 * 7 + 3 * 7  # two warm-ups and the capture; replays call nothing
    assert captured_losses == pytest.approx(losses, rel=1e-5)
    assert captured_state.keys() == state.keys()
    for name, expected in state.items():
        torch.testing.assert_close(captured_state[name], expected, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: n + m)


@pytest.mark.gpu
@pytest.mark.parametrize("neuron", [LIF, CLIF])
def test_a_captured_test_follows_the_weights_and_counts_spikes(neuron):
    """As the trainer tests: in evaluation mode, without gradients, in memory that the training graph uses too."""
    torch.manual_seed(0)
    model = CSNN(parts_of(neuron, BatchNorm), (3, 8, 8), 10, width=8, hidden=16).cuda().eval()
    encoder, calls = Direct(4), []
    task = Task(model, None, torch.nn.Identity(), encoder, None, None, num_classes=10, seed=0)
    batch = CapturedBatch(model, lambda *a: calls.append(1) or task._test(*a), pool=torch.cuda.graph_pool_handle())
    x, target = torch.randn(3, 6, 3, 8, 8).cuda(), torch.randint(10, (6,)).cuda()
    with torch.inference_mode():
        for x_now in x:
            for found, expected in zip(batch(x_now, target), task._test(x_now, target)):
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
            model.readout.weight.mul_(1.5)
            model.features[1].norm.running_var.mul_(2)
    assert len(calls) == 3  # two warm-ups and the capture


@pytest.mark.gpu
def test_auto_is_fused_on_cuda():
    neuron = LIF(PARTS.neuron(5).site, ATan())
    assert is_fused(neuron(torch.randn(4, 2, 5, device="cuda", requires_grad=True)))


@pytest.mark.gpu
def test_a_capture_reads_the_temperature_before_it_begins():
    """Dspike's b is a number to the kernels: reading it waits for the device, which no capture may."""
    torch.manual_seed(0)
    neuron = LIF(Site(4, 4), Dspike(1.0)).cuda()
    weight = torch.nn.Parameter(torch.randn(4, 4, device="cuda"))
    neuron.register_parameter("w", weight)
    x, target = torch.randn(4, 8, 4, device="cuda"), torch.zeros(8, dtype=torch.long, device="cuda")

    def forward_backward(x, target):
        loss = neuron(x @ weight).sum()
        loss.backward()
        return (loss.detach(),)

    batch = CapturedBatch(neuron, forward_backward)
    for b in (1.0, 3.0):
        neuron.surrogate.b.fill_(b)
        batch.forget()
        assert batch(x, target) is not None
        captured = weight.grad.clone()
        weight.grad = None
        forward_backward(x, target)
        torch.testing.assert_close(captured, weight.grad)
