"""Every test starts from the same generator state and one thread a worker (pytest-xdist runs several)."""

import os
import signal
from functools import cache

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

if not torch.cuda.is_available():  # before anything imports Triton: its kernels then run in its interpreter
    os.environ.setdefault("TRITON_INTERPRET", "1")


# a shell's & and nohup start a program with these ignored, which our commands respect; tests send them
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _deterministic():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _the_same_overrides_are_composed_once():
    """Hydra takes a fifth of a second, and the files below configs/ stay as they are; values are resolved each time."""
    from snnbench.config import compose

    once = cache(lambda folder, overrides, compose=compose._compose: compose(list(overrides)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            compose,
            "_compose",
            lambda overrides: once(tuple(compose.config_dirs()), tuple(overrides)),
        )
        yield


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.parent.name != "train")  # the longest tests: no worker may end with one
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
