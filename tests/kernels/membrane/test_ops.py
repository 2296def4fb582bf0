"""`torch.ops.snnbench.membrane_*` as operators: schemas and fake tensors."""

import pytest
import torch

from snnbench.kernels.membrane import ops  # noqa: F401  (registers torch.ops.snnbench.membrane_*)
from tests.kernels.parity import Case, operands

OPS = torch.ops.snnbench
CHECKS = ("test_schema", "test_faketensor")


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
    form, *tensors = operands(case, device)
    tensors.append(torch.rand(case.time_steps, device=device) + 0.5 if case.norm == "tebn" else None)
    tensors.append(None if form.learnt is None else form.learnt.detach())
    arguments = (*tensors, case.time_steps, form.constants, form.codes)
    torch.library.opcheck(OPS.membrane_forward.default, arguments, test_utils=CHECKS)
    g = torch.randn_like(OPS.membrane_forward(*arguments))
    backward = (g, *tensors, case.time_steps, True, form.constants, form.codes)
    torch.library.opcheck(OPS.membrane_backward.default, backward, test_utils=CHECKS)
