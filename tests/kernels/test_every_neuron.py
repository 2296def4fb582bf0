"""Every neuron and surrogate of configs/: its kernel gives what plain PyTorch gives, or it says why it has none."""

import pytest
import torch

from snnbench import kernels
from snnbench.build import instantiate
from snnbench.config.catalogue import options
from snnbench.kernels.common.form import Form, Refusal, SurrogateForm
from snnbench.site import Site
from tests.contracts.test_parts import node
from tests.kernels.parity import is_fused

SITE, SHAPE = Site(4, 5), (5, 3, 4, 6, 6)


def same_on_both_paths(neuron, device):
    """Whether the kernel ran; asserts that spikes and gradients are those of the reference."""
    neuron, found = neuron.to(device), []
    for mode in ("fused", "reference"):
        neuron.zero_grad()
        x = (torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)) * 2).to(device).requires_grad_()
        with kernels.use(mode):
            spikes = neuron(x)
        spikes.square().sum().backward()
        found.append((is_fused(spikes), spikes.detach(), [x.grad, *(p.grad for p in neuron.parameters())]))
    (ran, spikes, gradients), (_, expected, expected_gradients) = found
    assert torch.equal(spikes, expected)
    assert spikes.any()
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-4, atol=1e-4)
    return ran


@pytest.mark.parametrize("name", options("neuron"))
def test_a_neuron_runs_fused_or_says_why_not(name, device):
    neuron = instantiate(node("neuron", name), SITE, surrogate=instantiate(node("surrogate", "atan")))
    form = neuron.kernel_form()
    assert isinstance(form, Form) or (isinstance(form, Refusal) and len(form.why) > 10)
    assert same_on_both_paths(neuron, device) == isinstance(form, Form)


@pytest.mark.parametrize("name", options("surrogate"))
def test_a_surrogate_is_in_the_kernels_or_says_why_not(name, device):
    surrogate = instantiate(node("surrogate", name))
    form = surrogate.kernel_form()
    assert isinstance(form, SurrogateForm) or (isinstance(form, Refusal) and len(form.why) > 10)
    neuron = instantiate(node("neuron", "lif"), SITE, surrogate=surrogate)
    assert same_on_both_paths(neuron, device) == isinstance(form, SurrogateForm)
