"""Every model runs on its true shape and on the card's other shapes, and refuses what is too small in one sentence."""

import re

import pytest
import torch

from snnbench.encoders.column import Column
from snnbench.errors import ConfigError
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
EVENT_DIGITS = (2, 16, 16)
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
    assert all(ran is listed for ran, listed in zip(order, expected, strict=True))
    assert model.synapses() == [module for module in order if isinstance(module, Synapse)]
    assert list(model.neurons().values()) == [module for module in order if hasattr(module, "surrogate")]
    if hasattr(model, "readout"):  # nets that count output spikes have neurons last
        assert model.synapses()[-1] is model.readout
    assert model.units()
    assert all(isinstance(unit, Unit) for unit in model.units())


@pytest.mark.parametrize("shape", CARD_SHAPES)
@pytest.mark.parametrize(
    "name", ["spiking_resnet18", "spikformer_cifar_4_384", "spikformer_8_512", "spikformer_dvs_2_256",
             "qkformer_cifar_4_384", "qkformer_10_384", "qkformer_dvs_2_256", "sew_resnet18", "ms_resnet18"]
)  # fmt: skip
def test_every_cell_of_the_card(name, shape):
    assert run(build(name, shape, 11, device="meta"), shape, device="meta").shape == (2, 2, 11)


@pytest.mark.parametrize("shape", [DIGITS, EVENT_DIGITS])
@pytest.mark.parametrize("name", TINY)
def test_tiny_models_run_for_real(name, shape):
    logits = run(build(name, shape, 10), shape)
    assert logits.shape == (2, 2, 10)
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("name", "shape", "wanted", "sizes"),
    [
        ("sew_resnet18", IMAGENET, "stages.", [(64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]),
        ("ms_resnet18", IMAGENET, "stages.", [(64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]),
        ("resnet19", CIFAR, "stages.", [(128, 32, 32), (256, 16, 16), (512, 8, 8)]),
        ("qkformer_10_384", IMAGENET, "stages.", [(96, 56, 56), (192, 28, 28), (384, 14, 14)]),
        ("qkformer_cifar_4_384", CIFAR, "stages.", [(96, 32, 32), (192, 16, 16), (384, 8, 8)]),
        ("qkformer_dvs_2_256", DVS, "stages.", [(128, 16, 16), (256, 8, 8)]),
        ("spikformer_8_384", IMAGENET, "stem", [(384, 14, 14)]),
        ("spikformer_cifar_4_384", CIFAR, "stem", [(384, 8, 8)]),
        ("spikformer_dvs_2_256", DVS, "stem", [(256, 8, 8)]),
    ],
)
def test_inner_shapes_of_the_pages(name, shape, wanted, sizes):
    names = {wanted} if not wanted.endswith(".") else {f"{wanted}{index}" for index in range(len(sizes))}
    model = build(name, shape, device="meta").eval()
    seen = outputs(model, torch.zeros(2, 1, *shape, device="meta"), lambda name, _module: name in names)
    assert [tuple(y.shape) for y in seen.values()] == [(2, 1, *size) for size in sizes]


@pytest.mark.parametrize(
    ("name", "shape", "changes", "says"),
    [
        ("sew_7b", DVS48, {}, "at least 128x128 pixels, got 2x48x48"),
        ("vggsnn", DIGITS, {}, "spiking_resnet_tiny"),
        ("vgg11_ws", (1, 4, 4), {}, "at least 8x8"),
        ("csnn", (1, 2, 2), {}, "at least 4x4"),
        ("csnn_1d", (1, 2, 2), {}, "csnn_1d needs inputs of at least 4x4"),
        ("spiking_resnet18", DIGITS, {"stem": "imagenet"}, "model.stem=cifar"),
        ("sew_resnet18", DIGITS, {"stem": "imagenet"}, "model.stem=cifar"),
        ("ms_resnet18", (1, 4, 4), {}, "at least 8x8"),
        ("spikformer_8_384", DIGITS, {"stem": "imagenet"}, "spikformer_tiny"),
        ("qkformer_10_384", (1, 2, 2), {}, "qkformer_tiny"),
        ("spikformer_tiny", DIGITS, {"heads": 5}, "must divide"),
        ("spikformer_tiny", DIGITS, {"dim": 60}, "multiple of 8"),
        ("qkformer_tiny", DIGITS, {"heads": 5}, "must divide"),
        ("qkformer_tiny", DIGITS, {"depths": [1]}, "at least two stages"),
        ("qkformer_tiny", DIGITS, {"dim": 33}, "multiple of 4"),
        ("resnet19", CIFAR, {"widths": [64]}, "one positive width"),
        ("sew_7b", DVS, {"channels": []}, "at least one block"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(name, shape, changes, says):
    with pytest.raises(ConfigError, match=re.escape(says)) as error:
        build(name, shape, 10, device="meta", **changes)
    assert "\n" not in str(error.value)


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


def test_synapses_bring_a_bias_where_the_norm_has_none():
    assert all(
        synapse.bias is not None
        for synapse in build("spiking_resnet_tiny", DIGITS, 10, make_parts(norm=NoNorm)).synapses()
    )
    assert all(unit.synapse.bias is None for unit in build("spiking_resnet_tiny", DIGITS).units())
