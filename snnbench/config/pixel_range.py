"""Refuse an encoder that reads pixels as brightness if normalisation moves the pixels out of the encoder's range.

Such an encoder has the trait "brightness". It clips pixels to encoder.low .. encoder.high (0 .. 1 if it has no such
keys). Without this check it would silently clip about half of the pixels of mean 0 and deviation 1.
"""

from __future__ import annotations

from snnbench.config.signature import Component
from snnbench.errors import ConfigError

TOLERANCE = 0.01  # share of the pixels' range by which rounded limits may be too narrow


def check_pixel_range(config: dict, components: dict[str, Component], choices: dict[str, str | None]) -> None:
    """Raise ConfigError if the encoder would clip normalised pixels. The message names the settings that fit."""
    data, encoder = config["data"], config["encoder"]
    mean, std = data.get("mean"), data.get("std")
    if "brightness" not in components["encoder"].traits or "images" not in components["data"].traits:
        return
    if not mean or not std or len(mean) != len(std) or min(std) <= 0:  # nothing to check here
        return
    darkest = min((0 - m) / s for m, s in zip(mean, std))
    brightest = max((1 - m) / s for m, s in zip(mean, std))
    slack = TOLERANCE * (brightest - darkest)
    low, high = encoder.get("low", 0.0), encoder.get("high", 1.0)
    plain = all(m == 0 for m in mean) and all(s == 1 for s in std)
    if plain or (low <= darkest + slack and high >= brightest - slack):
        return
    channels = len(mean)
    other = f", or encoder.low={darkest:.2f} encoder.high={brightest:.2f}" if "low" in encoder else ""
    raise ConfigError(
        f"encoder={choices['encoder']} reads pixels of {low:g} to {high:g}, but data.mean={list(mean)} and "
        f"data.std={list(std)} spread them over {darkest:.2f} to {brightest:.2f}: set "
        f"data.mean=[{','.join(['0.0'] * channels)}] data.std=[{','.join(['1.0'] * channels)}], which turns "
        f"normalising off{other}."
    )
