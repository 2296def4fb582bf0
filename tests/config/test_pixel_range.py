"""Encoders that read pixels as brightness, beside every image data set: nothing is cut in silence."""

import re
from pathlib import Path

import pytest

from snnbench.config.compose import compose
from snnbench.config.signature import component
from snnbench.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"


def of_axis(axis, trait):
    """The axis' YAMLs whose class has the trait."""
    paths = sorted((CONFIGS / axis).glob("*.yaml"))
    targets = {path.stem: re.search(r"^_target_: (.*)$", path.read_text(), re.MULTILINE)[1] for path in paths}
    return [name for name, target in targets.items() if trait in component(target).traits]


IMAGES, BRIGHTNESS = of_axis("data", "images"), of_axis("encoder", "brightness")


def test_all_rate_and_latency_encoders_are_walked():
    assert BRIGHTNESS == ["latency", "poisson", "rank_latency", "threshold_latency"]
    assert len(IMAGES) == 6


@pytest.mark.parametrize("encoder", BRIGHTNESS)
@pytest.mark.parametrize("data", IMAGES)
def test_normalised_pixels_are_refused_with_the_settings_that_fit(data, encoder):
    if data == "digits":  # in [0, 1] as they are
        compose([f"data={data}", f"encoder={encoder}"])
        return
    with pytest.raises(ConfigError, match=rf"encoder={encoder} reads pixels of 0 to 1, but data\.mean") as refusal:
        compose([f"data={data}", f"encoder={encoder}"])
    text = str(refusal.value)
    assert "\n" not in text
    plain = re.search(r"set (data\.mean=\S+) (data\.std=\S+),", text).groups()
    compose([f"data={data}", f"encoder={encoder}", *plain])
    stretched = re.search(r"or (encoder\.low=\S+) (encoder\.high=\S+)\.$", text)
    assert (stretched is None) == (encoder == "threshold_latency")
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


@pytest.mark.parametrize("encoder", ["direct", "column"])
def test_other_encoders_take_any_range(encoder):
    assert "brightness" not in component(f"snnbench.encoders.{encoder}.{encoder.title()}").traits
