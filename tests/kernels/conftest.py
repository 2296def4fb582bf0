"""`device`: the CPU through Triton's interpreter (tests/conftest.py turns it on where there is no GPU), and CUDA."""

from importlib.util import find_spec

import pytest
import torch

collect_ignore_glob = ["test_*.py"] if find_spec("triton") is None else []


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request) -> str:
    if request.param == "cpu" and torch.cuda.is_available():
        pytest.skip("kernels are compiled here: cuda tests them")
    return request.param
