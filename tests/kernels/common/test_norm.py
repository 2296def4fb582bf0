"""The operator that folds a batch norm, and the moments that it gives."""

import pytest
import torch

from snnbench import kernels
from snnbench.kernels.common import norm  # noqa: F401  (registers torch.ops.snnbench.norm_fold)
from snnbench.kernels.common.statistics import moments
from tests.kernels.parity import Case, build, currents


@pytest.mark.parametrize("training", [True, False])
def test_norm_fold(training, device):
    case = Case(norm="bn", layout="channels_last")
    form, x = build(case).to(device)["norm"].kernel_form(), currents(case, 0, 4, device)
    gain, bias = form.gain.detach(), form.bias.detach()
    arguments = (x, gain, bias, form.running_mean, form.running_var, training, 0.1, 1e-5)
    torch.library.opcheck(
        torch.ops.snnbench.norm_fold.default, arguments, test_utils=("test_schema", "test_faketensor")
    )


@pytest.mark.parametrize("shape", [(40, 6), (5, 6, 4, 3)], ids=str)
def test_moments(shape, device):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device) * 3 + 100
    with kernels.use("fused"):
        variance, mean = moments(x)
    expected = torch.var_mean(x, [axis for axis in range(x.ndim) if axis != 1], correction=0)
    torch.testing.assert_close((variance, mean), expected, rtol=1e-4, atol=1e-5)
