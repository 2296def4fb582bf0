"""Give every command systematic bad input and check that it refuses each with one sentence.

    python scripts/stress/bad_inputs.py [first=0] [count=all] [seed=0] [per_key=4] [limit_s=40] [only=<word>] [show=0]

A refusal has exit code 2 and one line on stderr that begins with "snnbench: ", and it writes nothing. A command may
accept input that turns out to be valid, if it then does its work. Faults are a traceback, a crash, a command that does
not end, code from the input that was run (it makes files named PWNED), and files outside the given folders. Each fault
is printed with the command that repeats it, and the exit code is 1 if there are faults. The seed decides the random
order of the cases. `only` selects the cases whose name contains a word. show=1 prints every sentence.
"""

from __future__ import annotations

import random
import shlex
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from scripts.stress.attempt import Attempt, attempt, in_child, make_sandbox  # noqa: E402
from scripts.stress.bad_commands import command_cases  # noqa: E402
from scripts.stress.bad_overrides import bad_values, hostile_overrides  # noqa: E402
from scripts.stress.bad_records import checkpoint_cases, record_cases  # noqa: E402
from scripts.stress.bad_tables import csv_cases, data_cases, plugin_cases  # noqa: E402
from scripts.stress.case import Case  # noqa: E402
from scripts.stress.small_data import write_small_data  # noqa: E402

GOOD = ("refused", "accepted")


def cases(seed: int, per_key: int) -> list[Case]:
    """All cases in the order of the seed, with `per_key` bad values for each key of the default configuration."""
    found = [
        *bad_values(seed, per_key, 1), *hostile_overrides(), *record_cases(seed, 1), *checkpoint_cases(), *csv_cases(),
        *data_cases(), *plugin_cases(), *command_cases(),
    ]  # fmt: skip
    random.Random(seed).shuffle(found)
    return found


def verdict(case: Case, found: Attempt) -> str:
    """The outcome: one of GOOD, or the name of a fault."""
    if found.ran_code:
        return "code run"
    if found.trace:
        return "traceback" if "Traceback" in found.trace else "crash"
    if found.code == 2:
        if not found.is_one_sentence:
            return "not one sentence"
        return "refused late" if found.written else "refused"
    if case.refuse:
        return f"accepted with exit code {found.code}"
    if strays := [path for path in found.written if not case.allows(path)]:
        return f"wrote {strays[:3]}"
    diverged = found.code == 1 and found.is_one_sentence
    return "accepted" if found.code == 0 or diverged else f"exit code {found.code}"


def run_case(case: Case, place: Path, data: Path, limit_s: float | None) -> Attempt:
    """Run one case in a sandbox at `place`, in a child process or, if `limit_s` is None, in this process."""
    sandbox = make_sandbox(place)
    case.lay_out(sandbox)
    command = case.command(sandbox, data)
    if limit_s is None:
        return attempt(command, sandbox, case.environment)
    return in_child(attempt, command, sandbox, case.environment, limit_s=limit_s)


def main() -> int:
    given = {"first": "0", "count": "1000000", "seed": "0", "per_key": "4", "limit_s": "40", "only": "", "show": "0"}
    given |= dict(text.split("=", 1) for text in sys.argv[1:])
    import lightning  # noqa: F401 (import once for all children)
    import torch

    torch.set_num_threads(1)
    sys.stdout.reconfigure(errors="backslashreplace")
    seed, first, count, per_key = (int(given[key]) for key in ("seed", "first", "count", "per_key"))
    outcomes = Counter()
    with tempfile.TemporaryDirectory(prefix="bad_inputs.") as temporary:
        place = Path(temporary)
        write_small_data(place / "data")
        everything = [(n, case) for n, case in enumerate(cases(seed, per_key)) if given["only"] in case.name]
        for number, case in [pair for pair in everything if pair[0] >= first][:count]:
            found = run_case(case, place / str(number), place / "data", float(given["limit_s"]))
            kind = verdict(case, found)
            outcomes[kind.split("[")[0]] += 1
            if kind not in GOOD:
                print(f"{kind}: {case.name[:90]}\n  python scripts/stress/bad_inputs.py {again(seed, per_key, number)}")
                print(f"  {shlex.join(['snnbench', *case.arguments])[-400:]}")
                print("  " + "\n  ".join((found.err + found.trace).strip().splitlines()[-6:]) + "\n", flush=True)
            elif given["show"] != "0":
                print(f"{number} {kind} {case.name}: {found.err.strip()[:400]}", flush=True)
    counts = ", ".join(f"{kind} {outcomes[kind]}" for kind in dict.fromkeys([*GOOD, *outcomes]))
    print(f"{sum(outcomes.values())} of {len(everything)} bad inputs: {counts}")
    return int(any(kind not in GOOD for kind in outcomes))


def again(seed: int, per_key: int, number: int) -> str:
    return f"seed={seed} per_key={per_key} first={number} count=1"


if __name__ == "__main__":
    sys.exit(main())
