"""Encoders that read pixels as brightness, beside every image data set: nothing is cut in silence."""

import re

import pytest
from omegaconf import OmegaConf

from snnbench.config.catalogue import options, path_of
from snnbench.config.compose import compose
from snnbench.config.signature import component
from snnbench.errors import ConfigError


def of_axis(axis, trait):
    """The axis' options whose class has the trait: name -> (what the YAML says, the class)."""
    nodes = {name: OmegaConf.load(path_of(axis, name)) for name in options(axis)}
    found = {name: (node, component(node["_target_"])) for name, node in nodes.items()}
    return {name: both for name, both in found.items() if trait in both[1].traits}


IMAGES, BRIGHTNESS = of_axis("data", "images"), of_axis("encoder", "brightness")
NORMALISED = [name for name, (node, _) in IMAGES.items() if node.get("mean") and node.get("std")]
PLAIN = [name for name in IMAGES if name not in NORMALISED]  # in [0, 1] as they are


def test_rate_and_latency_encoders_say_that_they_read_brightness():
    assert {"latency", "poisson", "rank_latency", "threshold_latency"} <= BRIGHTNESS.keys()
    assert not {"direct", "column"} & BRIGHTNESS.keys(), "these take any range"


@pytest.mark.parametrize("encoder", BRIGHTNESS)
@pytest.mark.parametrize("data", PLAIN)
def test_pixels_that_nothing_normalises_are_taken(data, encoder):
    compose([f"data={data}", f"encoder={encoder}"])


@pytest.mark.parametrize("encoder", BRIGHTNESS)
@pytest.mark.parametrize("data", NORMALISED)
def test_normalised_pixels_are_refused_with_the_settings_that_fit(data, encoder):
    with pytest.raises(ConfigError, match=rf"encoder={encoder} reads pixels of 0 to 1, but data\.mean") as refusal:
        compose([f"data={data}", f"encoder={encoder}"])
    text = str(refusal.value)
    assert "\n" not in text
    plain = re.search(r"set (data\.mean=\S+) (data\.std=\S+),", text).groups()
    compose([f"data={data}", f"encoder={encoder}", *plain])
    stretched = re.search(r"or (encoder\.low=\S+) (encoder\.high=\S+)\.$", text)
    assert (stretched is None) == ("low" not in BRIGHTNESS[encoder][1].parameters)
    if stretched:
        compose([f"data={data}", f"encoder={encoder}", *stretched.groups()])


@pytest.mark.parametrize(("low", "high", "fits"), [(-2.5, 3.0, True), (-2.0, 2.0, False), (-0.43, 1.0, False)])
def test_limits_must_reach_the_darkest_and_brightest_pixel(low, high, fits):
    overrides = ["data=cifar10", "encoder=poisson", f"encoder.low={low}", f"encoder.high={high}"]
    if fits:
        compose(overrides)
    else:
        with pytest.raises(ConfigError, match=r"encoder\.low=-2\.43 encoder\.high=2\.75"):
            compose(overrides)


def test_a_contrast_stretch_of_plain_pixels_is_anybody_s_own_choice():
    compose(["data=digits", "encoder=poisson", "encoder.low=0.2", "encoder.high=0.8"])
