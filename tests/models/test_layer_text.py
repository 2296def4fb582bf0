"""Layers as texts: what each part means, what stands for a part that is left out, and what is refused."""

import re

import pytest

from snnbench.errors import ConfigError
from snnbench.models.layer_text import LayerText, read_layers


@pytest.mark.parametrize(
    ("text", "channels", "kernel", "stride", "padding"),
    [
        ("32C3", 32, 3, 1, 1),
        ("64C7S3P1", 64, 7, 3, 1),
        ("16C5P0", 16, 5, 1, 0),
        ("8C4P1", 8, 4, 1, 1),
        ("MP2", None, 2, 2, 0),
        ("MP3S2P1", None, 3, 2, 1),
    ],
)
def test_a_text_is_a_layer(text, channels, kernel, stride, padding):
    assert read_layers([text], "MP") == [LayerText(text, channels, kernel, stride, padding)]


def test_sizes_follow_kernel_stride_and_padding():
    sizes = [layer.size(34) for layer in read_layers(["32C3", "16C5P1", "64C7S3P1", "MP2", "MP2P1"], "MP")]
    assert sizes == [34, 32, 10, 17, 18]


@pytest.mark.parametrize("text", ["32C", "0C3", "C3", "32C0", "32C3S0", "AP2", "MP", "32C3P1S2", "32c3", " 32C3"])
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(ConfigError, match=re.escape(f"model.layers: '{text}' cannot be read; write e.g. 32C3")):
        read_layers(["32C3", text], "MP")


def test_an_even_kernel_needs_its_padding():
    with pytest.raises(ConfigError, match="4C2 has no same padding; take an odd kernel"):
        read_layers(["4C2"], "AP")
