"""SLTT-K learns from some steps of a batch, others every time (all steps: tests/dynamics/test_osr.py)."""

import torch
from torch import nn

from snnbench.config.compose import compose
from snnbench.config.identity import config_hash
from snnbench.rules.base import Batch
from snnbench.rules.sltt import SLTT

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
