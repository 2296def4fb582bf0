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


@pytest.fixture(scope="session", autouse=True)
def _the_language_is_prepared_once_a_launch():
    """Else nearly half of what the interpreted kernels take, with the same result.

    At a launch Triton's interpreter puts its own functions in the place of `triton.language`'s, and takes them out at
    the end. In between, each call of a device function looks through the whole language for more to replace, of which
    there is none once any function of the same module was called.
    """
    from triton.runtime import interpreter

    if not hasattr(interpreter, "_patch_lang") or not hasattr(interpreter, "_LangPatchScope"):
        yield  # another version of Triton: left as it is
        return
    replace, prepared = interpreter._patch_lang, set()

    def replace_once(function):
        module = id(function.__globals__)
        if module in prepared:
            return interpreter._LangPatchScope()
        prepared.add(module)
        scope = replace(function)
        put_back = scope.restore

        def restore():  # of a launch's own scope; those of device functions are dropped
            prepared.clear()
            put_back()

        scope.restore = restore
        return scope

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter, "_patch_lang", replace_once)
        yield
