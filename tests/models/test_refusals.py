"""An input or a value that a model cannot be built with is refused in one sentence that says what to change."""

import re

import pytest

from snnbench.errors import ConfigError

from .building import IF, build, make_parts

CIFAR, DVS, DVS48, DIGITS = (3, 32, 32), (2, 128, 128), (2, 48, 48), (1, 8, 8)
TOO_SMALL = [  # model, input, values that differ, what is said
    ("sew_7b", DVS48, {}, "at least 128x128 pixels, got 2x48x48"),
    ("vggsnn", DIGITS, {}, "spiking_resnet_tiny"),
    ("vgg11_ws", (1, 4, 4), {}, "at least 8x8"),
    ("vgg11_bn_dvs", (2, 16, 16), {}, "at least 32x32"),
    ("csnn", (1, 2, 2), {}, "at least 4x4"),
    ("csnn_1d", (1, 2, 2), {}, "csnn_1d needs inputs of at least 4x4"),
    ("cifarnet", (3, 2, 2), {}, "at least 4x4"),
    ("spiking_resnet18", DIGITS, {"stem": "imagenet"}, "model.stem=cifar"),
    ("sew_resnet18", DIGITS, {"stem": "imagenet"}, "model.stem=cifar"),
    ("ms_resnet18", (1, 4, 4), {}, "at least 8x8"),
    ("preact_resnet18_cifar", (1, 4, 4), {}, "at least 8x8"),
    ("spikformer_8_384", DIGITS, {"stem": "imagenet"}, "spikformer_tiny"),
    ("qkformer_10_384", (1, 2, 2), {}, "qkformer_tiny"),
    ("plif_net_gesture", (2, 16, 16), {}, "at least 32x32"),
    ("ds_resnet20", (1, 2, 2), {}, "at least 4x4"),
    ("glif_resnet18_cifar", (1, 2, 2), {}, "at least 4x4"),
    ("glif_resnet34", (3, 16, 16), {}, "at least 32x32"),
    ("glif_wide7b_dvs", (2, 8, 8), {}, "at least 16x16"),
    ("stbp_net", DIGITS, {"layers": ["AP2", "AP8"]}, "nothing is left of the image at AP8"),
    ("slayer_cnn", (2, 34, 34), {"layers": ["4C9P0", "4C30P0"]}, "nothing is left of the image at 4C30P0"),
]
MISFITS = [
    ("spikformer_tiny", DIGITS, {"heads": 5}, "must divide"),
    ("spikformer_tiny", DIGITS, {"dim": 60}, "multiple of 8"),
    ("qkformer_tiny", DIGITS, {"heads": 5}, "must divide"),
    ("qkformer_tiny", DIGITS, {"depths": [1]}, "at least two stages"),
    ("qkformer_tiny", DIGITS, {"dim": 33}, "multiple of 4"),
    ("resnet19", CIFAR, {"widths": [64]}, "one positive width"),
    ("sew_7b", DVS, {"channels": []}, "at least one block"),
    ("plif_net_mnist", DIGITS, {"stages": []}, "model.stages=[]"),
    ("plif_net_mnist", DIGITS, {"dropout": [0.5]}, "two shares"),
    ("ds_resnet20", CIFAR, {"widths": [8]}, "one positive width"),
    ("cifarnet", CIFAR, {"strides": [1]}, "needs one positive model.strides=[1] each"),
    ("glif_wide7b_dvs", DVS, {"pools": 8}, "number of blocks"),
    ("s4nn_mlp", DIGITS, {"hidden": [4, 4]}, "one number for each linear layer"),
    ("stbp_net", DIGITS, {"layers": ["MP2"]}, "'MP2' cannot be read"),
    ("stbp_net", DIGITS, {"hidden": [0]}, "model.hidden=[0]"),
    ("slayer_cnn", (2, 34, 34), {"layers": ["AP2"]}, "'AP2' cannot be read"),
    ("slayer_cnn", (2, 34, 34), {"layers": ["SP2P1"]}, "'SP2P1' cannot be read"),
    ("slayer_cnn", (2, 34, 34), {"hidden": [0]}, "model.hidden=[0]"),
]


@pytest.mark.parametrize(("name", "shape", "changes", "says"), TOO_SMALL + MISFITS)
def test_what_does_not_fit_is_refused_in_one_sentence(name, shape, changes, says):
    parts = make_parts(IF) if name.startswith(("stbp", "slayer")) else None
    with pytest.raises(ConfigError, match=re.escape(says)) as error:
        build(name, shape, 10, parts, device="meta", **changes)
    assert "\n" not in str(error.value)
