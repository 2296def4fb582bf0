"""`snnbench train --show`: the configuration of a run, or of a grid's jobs, as YAML. Nothing is trained."""

from __future__ import annotations

from omegaconf import OmegaConf

from snnbench.cli.grid import expand
from snnbench.config.compose import compose

Config = dict[str, object]


def show(overrides: list[str], is_grid: bool) -> None:
    jobs = expand(overrides) if is_grid else [overrides]
    composed = [compose(job) for job in jobs]
    if not is_grid:
        print(_yaml(composed[0].config))
        return
    shared = shared_part([job.config for job in composed])
    print(f"# {len(jobs)} jobs; what they share\n{_yaml(shared)}")
    for number, (texts, job) in enumerate(zip(jobs, composed), 1):
        print(f"# job {number} of {len(jobs)}: {' '.join(texts)}\n# {job.identity.folder}")
        print(_yaml(own_part(job.config, shared)))


def shared_part(configs: list[Config]) -> Config:
    """The keys that have the same value in all configurations."""
    first, shared = configs[0], {}
    for key, value in first.items():
        values = [config.get(key, _ABSENT) for config in configs]
        if all(other == value for other in values):
            shared[key] = value
        elif all(isinstance(other, dict) for other in values) and (part := shared_part(values)):
            shared[key] = part
    return shared


def own_part(config: Config, shared: Config) -> Config:
    """The part of `config` that is not in `shared_part`."""
    own = {}
    for key, value in config.items():
        if key not in shared:
            own[key] = value
        elif shared[key] != value:
            own[key] = own_part(value, shared[key])
    return own


_ABSENT = object()


def _yaml(config: Config) -> str:
    return OmegaConf.to_yaml(OmegaConf.create(config)) if config else ""
