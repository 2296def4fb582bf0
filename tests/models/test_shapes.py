"""Every model runs on its true shape and on the card's other shapes, also step by step and without norms."""

import pytest
import torch

from snnbench.encoders.column import Column
from snnbench.models.base import SpikingModel
from snnbench.models.layers import AvgPool1d
from snnbench.models.parts import Unit
from snnbench.norms.none import NoNorm
from snnbench.synapses.base import Synapse
from snnbench.synapses.weight_standardised import WeightStandardised
from snnbench.temporal import stepping

from .building import NAMES, build, make_parts, outputs, step_shape, true_shape

CIFAR, IMAGENET, DVS, DVS48, DIGITS = (3, 32, 32), (3, 224, 224), (2, 128, 128), (2, 48, 48), (1, 8, 8)
CARD_SHAPES = [CIFAR, IMAGENET, DVS, DVS48]
TINY = ["spiking_resnet_tiny", "spikformer_tiny", "qkformer_tiny"]


def run(model: SpikingModel, shape, time_steps=2, samples=2, device="cpu"):
    with torch.no_grad():
        return model.eval()(torch.zeros(time_steps, samples, *shape, device=device))


@pytest.mark.parametrize("name", NAMES)
def test_logits_per_step_on_the_true_shape_by_modules_in_forward_order(name):
    shape = true_shape(name)
    model = build(name, shape, 7, device="meta")
    expected = [module for module in model.modules() if isinstance(module, Synapse) or hasattr(module, "surrogate")]
    order = []
    for module in expected:
        module.register_forward_hook(lambda module, _inputs, _y: order.append(module))
    assert run(model, step_shape(name, shape), device="meta").shape == (2, 2, 7)
    first_calls = list(dict.fromkeys(order))  # inside a `Recurrent` a module runs once a step
    assert all(ran is listed for ran, listed in zip(first_calls, expected, strict=True))
    assert model.synapses() == [module for module in expected if isinstance(module, Synapse)]
    assert list(model.neurons().values()) == [module for module in expected if hasattr(module, "surrogate")]
    if hasattr(model, "readout"):  # nets that count output spikes have neurons last
        assert model.synapses()[-1] is model.readout


@pytest.mark.parametrize("shape", CARD_SHAPES)
@pytest.mark.parametrize(
    "name", ["spiking_resnet18", "spikformer_cifar_4_384", "spikformer_8_512", "spikformer_dvs_2_256",
             "qkformer_cifar_4_384", "qkformer_10_384", "qkformer_dvs_2_256", "sew_resnet18", "ms_resnet18"]
)  # fmt: skip
def test_every_cell_of_the_card(name, shape):
    assert run(build(name, shape, 11, device="meta"), shape, device="meta").shape == (2, 2, 11)


@pytest.mark.parametrize("name", [*TINY, "csnn", "sew_resnet18", "ms_resnet18"])
def test_a_static_image_gives_what_its_copies_give(name):
    """The stem runs once for an expanded image; in eval mode that changes nothing."""
    model = build(name, (1, 8, 8), 10, make_parts(time_steps=3)).eval()
    static = torch.randn(2, 1, 8, 8).unsqueeze(0).expand(3, -1, -1, -1, -1)
    rows = []
    model.synapses()[0].register_forward_hook(lambda _m, _i, y: rows.append(y.untyped_storage().nbytes()))
    with torch.no_grad():
        torch.testing.assert_close(model(static), model(static.contiguous()), rtol=1e-4, atol=1e-5)
    assert rows[1] == 3 * rows[0]


def test_a_column_net_reads_columns():
    """Column t of the image is what enters at step t, every map is [T, N, C, L], and walking equals running."""
    model = build("csnn_1d", (3, 8, 6), 10, make_parts(time_steps=6)).eval()
    images = 2 * torch.randn(2, 3, 8, 6)
    x_seq = Column(time_steps=6)(images)
    assert x_seq.data_ptr() == images.data_ptr()
    assert torch.equal(x_seq[4], images[..., 4])
    seen = outputs(model, x_seq, lambda _name, module: isinstance(module, Unit | AvgPool1d))
    sizes = [(128, 8)] * 3 + [(128, 4)] * 4 + [(128, 2), (256,)]
    assert [tuple(y.shape) for y in seen.values()] == [(6, 2, *size) for size in sizes]
    assert all(y.is_contiguous() for y in seen.values())
    with torch.no_grad(), stepping(model) as step:
        walked = torch.stack([step(x_t) for x_t in x_seq])
        torch.testing.assert_close(walked, model(x_seq), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_walking_equals_running(name):
    model = build(name, DIGITS).eval()
    x_seq = torch.randn(3, 2, *DIGITS)
    with torch.no_grad(), stepping(model) as step:
        walked = torch.stack([step(x_t) for x_t in x_seq])
        torch.testing.assert_close(walked, model(x_seq), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["vgg11_ws", "spiking_resnet_tiny"])
def test_nets_for_online_training_need_no_norm(name):
    parts = make_parts(norm=NoNorm, synapse=WeightStandardised(), amplitude=2.74)
    model = build(name, DIGITS, 10, parts)
    model(torch.randn(2, 4, *DIGITS)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert not list(model.buffers())
    assert "max_pool" not in type(model).traits
