"""SLTT: the gradient without its temporal path, memory, no path from a step to the one before; SLTT-K; refusals."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from snnbench.config.compose import compose
from snnbench.config.identity import config_hash
from snnbench.neurons.lif_osr import LIFOSR
from snnbench.norms.osr import OSR
from snnbench.objectives.per_step import PerStep
from snnbench.rules.base import Batch
from snnbench.rules.bptt import BPTT
from snnbench.rules.sltt import SLTT
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.synapses.plain import Plain
from snnbench.temporal import stepping
from tests.tiny import flat, most_saved, site

F64 = torch.float64


def stabilised(**changes) -> LIFOSR:
    return LIFOSR(site(), Sigmoid(4.0), **changes)


class Net(nn.Module):
    """conv -> OSR -> LIF twice -> mean over space -> linear: `[T, N, 2, 8, 8] -> [T, N, 3]`."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        family = Plain()
        self.conv1, self.norm1 = family.conv(2, 2, 4, 3, padding=1, bias=False), OSR(site(4))
        self.conv2, self.norm2 = family.conv(2, 4, 6, 3, padding=1, stride=2, bias=False), OSR(site(6))
        self.neuron1, self.neuron2 = stabilised(), stabilised()
        self.readout = family.linear(6, 3)
        for conv in (self.conv1, self.conv2):  # the running variance starts at 1: small currents would not fire
            conv.weight.data *= 5

    def forward(self, x_seq: Tensor) -> Tensor:
        x = self.neuron1(self.conv1(x_seq), self.norm1)
        x = self.neuron2(self.conv2(x), self.norm2)
        return self.readout(x.mean((-2, -1)))


TARGET = torch.tensor([0, 2, 1])
WAITS = {f"aten::{name}" for name in ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "masked_select", "index")}


def train(rule, net: nn.Module, x_seq: Tensor, backward=Tensor.backward, target: Tensor = TARGET):
    objective, counts = PerStep(0.05), []
    rule.prepare(net)
    loss_of, step = lambda logits: objective(logits, target), lambda: counts.append(1)
    outcome = rule.train_batch(net, Batch(x_seq, target, loss_of, backward, step, net.zero_grad))
    assert counts == [1]
    return outcome


def batch(time_steps: int) -> Tensor:
    return torch.randn(time_steps, 3, 2, 8, 8, dtype=F64, generator=torch.Generator().manual_seed(4))


class TestRule:
    def test_is_backpropagation_without_the_temporal_path(self):
        """One graph over the whole sequence, membranes detached, loss of all steps: the same gradients and outcome."""
        online, whole, x_seq = Net().double(), Net().double(), batch(5)
        logits, loss, parts = train(SLTT(), online, x_seq)
        with stepping(whole, detach=True) as step:
            expected = torch.stack([step(x_t) for x_t in x_seq])
        total, total_parts = PerStep(0.05)(expected, TARGET)
        total.backward()
        torch.testing.assert_close(logits, expected.detach())
        torch.testing.assert_close(loss, total.detach())
        torch.testing.assert_close(parts["mse"], total_parts["mse"].detach())
        for a, b in zip(online.parameters(), whole.parameters()):
            torch.testing.assert_close(a.grad, b.grad)
            assert a.grad.abs().sum() > 0
        for key, value in whole.state_dict().items():
            torch.testing.assert_close(online.state_dict()[key], value)

    def test_equals_backpropagation_through_one_step_and_not_through_more(self):
        for time_steps, same in [(1, True), (4, False)]:
            online, through_time, x_seq = Net().double(), Net().double(), batch(time_steps)
            train(SLTT(), online, x_seq)
            train(BPTT(), through_time, x_seq)
            a, b = (flat([p.grad for p in net.parameters()]) for net in (online, through_time))
            assert torch.allclose(a, b, rtol=1e-9, atol=1e-12) == same
            assert F.cosine_similarity(a, b, dim=0) > 0.5

    def test_no_path_from_a_step_to_the_one_before(self):
        net, steps = Net().double(), [x_t.clone().requires_grad_() for x_t in batch(4)]
        with stepping(net, detach=True) as step:
            for t, x_t in enumerate(steps):
                logits = step(x_t)
                reached = torch.autograd.grad(logits.sum(), steps[: t + 1], allow_unused=True)
                assert reached[t].abs().sum() > 0
                assert all(gradient is None for gradient in reached[:t])

    def test_memory_does_not_grow_with_time(self):
        """Page, check 8."""
        nets = lambda rule, t: most_saved(lambda backward: train(rule, Net().double(), batch(t), backward))  # noqa: E731
        online = [nets(SLTT(), t) for t in (2, 4, 8)]
        assert len(set(online)) == 1
        assert nets(BPTT(), 8) > 3 * online[0]

    @pytest.mark.parametrize("beyond", ["batch", "clip"])
    def test_the_host_waits_for_nothing(self, beyond):
        """So the whole batch may be a CUDA graph: no operation brings a number back or makes a shape of data."""

        class Watch(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                assert function.overloadpacket._qualified_op_name not in WAITS
                return function(*args, **(kwargs or {}))

        net = Net().double()
        for norm in (net.norm1, net.norm2):
            norm.beyond = beyond
        pointers = [buffer.data_ptr() for buffer in net.buffers()]
        soft = F.one_hot(TARGET).double()  # one_hot checks its numbers on the CPU
        with Watch():
            for _ in range(2):
                train(SLTT(), net, batch(3), target=soft)
        assert [buffer.data_ptr() for buffer in net.buffers()] == pointers


T = 6


def learnt(rule: SLTT) -> tuple[int, ...]:
    """The steps that made a gradient: weight t of the network meets the input at step t alone."""
    net = nn.Linear(T, 1, bias=False)
    batch = Batch(torch.eye(T).unsqueeze(1), None, lambda logits: (logits.sum(), {"sum": logits.sum()}))
    logits, _, _ = rule.train_batch(net, batch)
    assert logits.shape == (T, 1, 1)
    steps = net.weight.grad[0].nonzero().flatten().tolist()
    torch.testing.assert_close(net.weight.grad[0, steps], torch.full((len(steps),), 1 / T))
    return tuple(steps)


def test_k_steps_drawn_anew_for_each_batch():
    torch.manual_seed(0)
    found = [learnt(SLTT(steps=2)) for _ in range(20)]
    assert {len(steps) for steps in found} == {2}
    assert len(set(found)) > 5
    assert set(range(T)) == {step for steps in found for step in steps}


def test_all_steps_without_k_or_with_a_large_one():
    assert learnt(SLTT()) == learnt(SLTT(steps=99)) == tuple(range(T))


def test_a_random_choice_is_not_frozen_into_a_cuda_graph():
    assert SLTT().one_step_at_the_end
    assert not SLTT(steps=2).one_step_at_the_end


def test_without_k_a_run_keeps_its_hash():
    config = compose(["rule=sltt", "objective=tet", "norm=osr"]).config
    assert config["rule"].pop("steps") is None
    before = config_hash(config)
    assert config_hash(config | {"rule": config["rule"] | {"steps": None}}) == before
    assert config_hash(config | {"rule": config["rule"] | {"steps": 2}}) != before
