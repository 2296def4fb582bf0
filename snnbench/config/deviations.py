"""What a run changed in the recipe that it follows. Torch-free."""

from __future__ import annotations

from contextlib import suppress

from snnbench.axes import AXES
from snnbench.config import identity
from snnbench.config.compose import Composed, recipe_of
from snnbench.errors import ConfigError


def deviations(composed: Composed, recipe: Composed) -> dict[str, list]:
    """The values that a run changed in its experiment's recipe: {axis or key: [recipe's, run's]}.

    A replaced component counts once, under its axis. Its own values count only where they differ from those that the
    recipe would give it. A replaced method counts by the components and values that it changed. `identity.deviations`
    compares the keys.
    """
    pairs = {axis: [recipe.choices[axis], composed.choices[axis]] for axis in AXES}
    swapped = {axis: pair for axis, pair in pairs.items() if pair[0] != pair[1]}
    config = recipe.config
    if swapped:
        chosen = [f"{axis}={choice or 'null'}" for axis, (_, choice) in swapped.items()]
        # where only the run's own values make the components fit each other, all that differs is listed
        with suppress(ConfigError):
            config = recipe_of(composed.choices["experiment"], *chosen).config
    return swapped | identity.deviations(composed.config, config) | _other_sources(composed, recipe)


def _other_sources(composed: Composed, recipe: Composed) -> dict[str, list]:
    """Weights from a run of another recipe than the one asked for, or a start that the experiment knows nothing of."""
    found = {}
    for section in ("teacher", "start"):
        wanted = (recipe.config.get(section) or {}).get("experiment")
        source = composed.sources.get(section)
        got = (source.record.experiment or source.record.name) if source else None
        is_news = section == "start" and composed.choices["experiment"] is not None
        if got != wanted and (wanted is not None or is_news):
            found[f"{section}.experiment"] = [wanted, got]
    return found
