"""`torch.ops.snnbench.membrane_*` as operators: schemas and fake tensors."""

import pytest
import torch

from snnbench.kernels.membrane import ops  # noqa: F401  (registers torch.ops.snnbench.membrane_*)
from tests.kernels.parity import Case, build, currents

OPS = torch.ops.snnbench
CHECKS = ("test_schema", "test_faketensor")


def membrane_arguments(case: Case, device: str):
    """(x, residual, folded, steps, learnt, time_steps, constants, codes) of the membrane operators."""
    layer, x = build(case).to(device), currents(case, 0, 1 if case.static else case.time_steps, device)
    residual = currents(case, 1, case.time_steps, device) if case.residual else None
    folded = torch.rand(4, case.channels, device=device) + 0.5 if case.norm != "none" else None
    steps = torch.rand(case.time_steps, device=device) + 0.5 if case.norm == "tebn" else None
    form = layer["neuron"].kernel_form()
    learnt = None if form.learnt is None else form.learnt.detach()
    return x, residual, folded, steps, learnt, case.time_steps, form.constants, form.codes


@pytest.mark.parametrize(
    "case",
    [
        Case(neuron="plif"),
        Case(layout="channels_last", norm="bn", residual=True),
        Case(layout="channels_last", norm="bn", static=True, time_steps=9),
        Case(layout="flat", dtype=torch.bfloat16, neuron="if", norm="bn"),
        Case(neuron="clif", norm="tebn", residual=True),
        Case(neuron="glif", layout="channels_last", time_steps=9),
        Case(neuron="glif_shared", norm="tebn", static=True),
    ],
    ids=str,
)
def test_membrane_operators(case, device):
    *tensors, time_steps, constants, codes = arguments = membrane_arguments(case, device)
    torch.library.opcheck(OPS.membrane_forward.default, arguments, test_utils=CHECKS)
    g = torch.randn_like(OPS.membrane_forward(*arguments))
    backward = (g, *tensors, time_steps, True, constants, codes)
    torch.library.opcheck(OPS.membrane_backward.default, backward, test_utils=CHECKS)
