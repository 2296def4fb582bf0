"""Train random combinations of all components and settings, one batch each, and count the outcomes.

    python scripts/stress/combinations.py [count=300] [first=0] [seed=0] [limit_s=60] [show=0]

Data sets are small files in their real formats. Good outcomes are

    trained     exit code 0, the record says done and its loss is finite
    refused     exit code 2, one sentence, nothing written
    non-finite  the loss became infinite or NaN, and one sentence said so (exit code 1)

(show=1 prints the sentences). Everything else is a fault: a refusal of more than one sentence or after something was
written, a traceback, a crash, or a "done" run whose loss is not finite. Each fault is printed with the command that
repeats it, and the exit code is 1 if there are faults.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from scripts.stress.attempt import Attempt, attempt, in_child, make_sandbox  # noqa: E402
from scripts.stress.draw import SHORT, draw  # noqa: E402
from scripts.stress.small_data import write_small_data  # noqa: E402

GOOD = ("trained", "refused", "non-finite")
TEACHER = ["model.widths=[8,8,8]", "T=2", "train.batch_size=120", "neuron=relu", *SHORT]


def prepare(place: Path) -> str:
    """Write the data sets and train a teacher. Returns the folder of its run."""
    write_small_data(place / "data")
    overrides = [*TEACHER, f"paths.runs={place / 'teachers'}"]
    found = in_child(attempt, ["train", *overrides], make_sandbox(place / "teacher"), limit_s=120)
    if found.code != 0:
        sys.exit(f"the teacher cannot be trained: {found.err or found.trace}")
    (record,) = (place / "teachers").rglob("run.json")
    return str(record.parent)


def overrides_of(seed: int, number: int, place: Path, teacher: str) -> list[str]:
    return [*SHORT, f"paths.data={place / 'data'}", *draw(seed, number, teacher)]


def outcome(found: Attempt, sandbox: Path) -> tuple[str, str]:
    """A tuple of the outcome (one of GOOD or the name of a fault) and the text that shows it."""
    if found.ran_code:
        return "code run", str(found.ran or found.written)
    if found.trace:
        return ("traceback" if "Traceback" in found.trace else "crash"), found.err + found.trace
    if found.code == 2:
        if not found.is_one_sentence:
            return "not one sentence", found.err
        return ("refused late", f"{found.err}{found.written}") if found.written else ("refused", found.err)
    if found.code == 1 and "snnbench: " in found.err:
        return "non-finite", found.err
    if found.code != 0:
        return f"exit code {found.code}", found.out + found.err
    (path,) = (sandbox / "work").rglob("run.json")
    record = json.loads(path.read_text())
    if record["status"] != "done" or record["loss_last"] is None:
        return "not finite, not seen", f"status {record['status']}, loss {record['loss_last']}"
    return "trained", ""


def main() -> int:
    given = {"count": 300, "first": 0, "seed": 0, "limit_s": 60, "show": 0}
    given |= {key: int(value) for key, value in (text.split("=") for text in sys.argv[1:])}
    import lightning  # noqa: F401 (import once for all children)
    import torch

    torch.set_num_threads(1)
    outcomes, slow = Counter(), 0.0
    with tempfile.TemporaryDirectory(prefix="combinations.") as temporary:
        place = Path(temporary)
        teacher = prepare(place)
        for number in range(given["first"], given["first"] + given["count"]):
            overrides, sandbox = overrides_of(given["seed"], number, place, teacher), make_sandbox(place / str(number))
            began = time.monotonic()
            found = in_child(attempt, ["train", *overrides], sandbox, limit_s=given["limit_s"])
            slow = max(slow, time.monotonic() - began)
            kind, text = outcome(found, sandbox)
            outcomes[kind] += 1
            if given["show"] and kind in GOOD:
                print(f"{number} {kind} {text.strip()}", flush=True)
            if kind not in GOOD:
                report(number, given["seed"], kind, overrides[len(SHORT) + 1 :], text)
    print(f"{sum(outcomes.values())} combinations, the slowest {slow:.0f} s: " + count_text(outcomes))
    return int(any(kind not in GOOD for kind in outcomes))


def report(number: int, seed: int, kind: str, overrides: list[str], text: str) -> None:
    print(f"{kind}: python scripts/stress/combinations.py seed={seed} first={number} count=1\n  {' '.join(overrides)}")
    print("  " + "\n  ".join(text.strip().splitlines()[-8:]) + "\n", flush=True)


def count_text(outcomes: Counter) -> str:
    return ", ".join(f"{kind} {outcomes[kind]}" for kind in dict.fromkeys([*GOOD, *outcomes]))


if __name__ == "__main__":
    sys.exit(main())
