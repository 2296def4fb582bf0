"""A network evaluated for a while comes back as it was, and what is held aside is nobody's submodule."""

import pytest
import torch
from torch import nn

from snnbench.modules import Aside, evaluated


def test_modes_and_buffers_come_back_also_after_an_error():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
    model[1].eval()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}

    def spoil():
        with evaluated(model):
            assert not any(module.training for module in model.modules())
            model[0].running_mean.fill_(7)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        spoil()
    assert [module.training for module in model] == [True, False]
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())


def test_a_module_aside_is_neither_saved_nor_trained_nor_moved():
    owner = nn.Linear(2, 2)
    owner.teacher = Aside(nn.Linear(3, 3))
    assert set(owner.state_dict()) == {"weight", "bias"}
    assert len(list(owner.parameters())) == 2
    assert owner.train().teacher.module.eval().training is False
