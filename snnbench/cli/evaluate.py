"""evaluate a trained network: `snnbench eval run=runs/<name>/<hash>-s<seed>`

  snnbench eval run=<run folder> [checkpoint=last|best|<file>] [override ...]

Measures test accuracy, firing rates and operations again and writes eval.json beside run.json.
An override is `key=value` as for `snnbench train`. These keys do not change the result: paths.data, data.num_workers,
train.accelerator, train.eval_batch_size, kernels, measure.*. Other changes can alter the result: another checkpoint,
T=8, data=<name>, data.*, train.precision, train.limit_test_batches. Their result is written to a separate file that
names the change, e.g. eval-T8.json. The network itself cannot be changed.
"""

from __future__ import annotations

from pathlib import Path

from snnbench.config.evaluation import evaluation
from snnbench.config.identity import checkpoint_path
from snnbench.errors import ConfigError
from snnbench.records import load_record

OWN = ("run", "checkpoint")  # plain texts; the other arguments follow Hydra's grammar


def main(arguments: list[str]) -> int:
    given = dict(text.split("=", 1) for text in arguments if text.partition("=")[0] in OWN and "=" in text)
    overrides = [text for text in arguments if text.partition("=")[0] not in OWN]
    if not given.get("run"):
        raise ConfigError("eval needs run=<run folder>, the folder that holds run.json")
    folder = Path(given["run"])
    record = load_record(folder / "run.json")
    name = given.get("checkpoint") or "last"
    checkpoint = checkpoint_path(folder, name) if name in ("last", "best") else Path(name)
    if not checkpoint.is_file():
        raise ConfigError(
            f"checkpoint={name}: {checkpoint} does not exist; the run may have ended before its first epoch did"
        )
    planned = evaluation(record, overrides, str(folder / "run.json"))
    from snnbench.train.evaluate import evaluate

    print(evaluate(record, planned, folder, checkpoint, name))
    return 0
