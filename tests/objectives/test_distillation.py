"""Distillation losses: numbers of the pages kdsnn and distilling_spikes, what they compare, what they refuse."""

import math

import pytest
import torch
from torch.nn import functional as F

from snnbench.errors import ConfigError
from snnbench.models.base import SpikingModel
from snnbench.models.parts import Parts
from snnbench.neurons.lif import LIF
from snnbench.neurons.relu import ReLU
from snnbench.norms.batch_norm import BatchNorm
from snnbench.norms.none import NoNorm
from snnbench.objectives.distillation import Lesson
from snnbench.objectives.feature_mse import FeatureMSE
from snnbench.objectives.kd_feature import FeatureDistillation, margin_of, partial_l2
from snnbench.objectives.kd_response import ResponseDistillation
from snnbench.objectives.kd_spike_train import SpikeTrainDistillation
from snnbench.objectives.lessons import lessons
from snnbench.objectives.mean_ce import MeanCE
from snnbench.objectives.taps import outline
from snnbench.surrogates.atan import ATan
from snnbench.synapses.plain import Plain
from snnbench.teachers.base import Teacher
from tests.tiny import spiking_mlp

F64 = torch.float64
Y = torch.tensor([0])
OURS, THEIRS = torch.tensor([[[1.0, 2.0, 0.5]]], dtype=F64), torch.tensor([[[2.0, 1.0, 0.0]]], dtype=F64)


def graded(objective, logits, *others):
    logits = logits.clone().requires_grad_()
    loss, parts = objective(logits, *others)
    loss.backward()
    return loss.item(), logits.grad, parts


@pytest.mark.parametrize(
    ("alpha", "loss", "gradient"),
    [
        (0.5, 9.5545393, [-0.5912382, 0.4722746, 0.1189636]),
        (0.1, 3.0824029, [-0.7332685, 0.5972803, 0.1359882]),
    ],
)
def test_response_loss_of_the_page(alpha, loss, gradient):
    """kdsnn page, check 1."""
    found, slope, parts = graded(ResponseDistillation(alpha, 4.0), OURS, Y, Lesson(THEIRS))
    assert found == pytest.approx(loss, abs=1e-6)
    assert slope.flatten().tolist() == pytest.approx(gradient, abs=1e-6)
    assert 16 * parts["response"].item() == pytest.approx(17.6447099, abs=1e-6)
    assert parts["ce"].item() == pytest.approx(1.4643688, abs=1e-6)


@pytest.mark.parametrize(
    ("temperature", "raw", "loss", "gradient"),
    [
        (1.0, True, 3.3931064, [-1.3063283, 0.8855952, 0.4207331]),
        (1.0, False, 1.2646556, [-0.4340171, 0.3838032, 0.0502138]),
        (4.0, True, 0.8019754, None),
        (4.0, False, 1.1027944, None),
    ],
)
def test_the_surveys_defect_and_what_is_right(temperature, raw, loss, gradient):
    """kdsnn page, survey variant: with alpha 1 the loss is temperature^2 times the page's figure."""
    objective = ResponseDistillation(1.0, temperature, raw_logit_target=raw)
    found, slope, parts = graded(objective, OURS, Y, Lesson(THEIRS))
    assert parts["response"].item() == pytest.approx(loss, abs=1e-6)
    assert found == pytest.approx(loss * temperature**2, abs=1e-5)
    if gradient:
        assert slope.flatten().tolist() == pytest.approx(gradient, abs=1e-6)


def test_a_student_that_equals_its_teacher_learns_nothing_more():
    """kdsnn page, check 2: no gradient, but the loss is the teacher's entropy; equal to the KL form's gradient."""
    loss, slope, _ = graded(ResponseDistillation(1.0, 4.0), THEIRS, Y, Lesson(THEIRS))
    assert slope.abs().max() < 1e-15
    p = (THEIRS / 4).softmax(-1)
    assert loss == pytest.approx(16 * -(p * p.log()).sum().item())
    logits = OURS.clone().requires_grad_()
    F.kl_div((logits[0] / 4).log_softmax(1), p[0], reduction="batchmean").mul(16).backward()
    torch.testing.assert_close(graded(ResponseDistillation(1.0, 4.0), OURS, Y, Lesson(THEIRS))[1], logits.grad)


def test_the_lesson_is_the_mean_over_each_networks_own_steps():
    logits, target = torch.randn(4, 5, 3, dtype=F64), torch.tensor([0, 2, 1, 1, 0])
    teacher = torch.randn(1, 5, 3, dtype=F64)
    objective = ResponseDistillation()
    spread = torch.cat([teacher - 1, teacher + 1])
    torch.testing.assert_close(
        objective(logits, target, Lesson(teacher))[0], objective(logits, target, Lesson(spread))[0]
    )


OFF = [
    (ResponseDistillation(0.0, label_smoothing=0.1), []),
    (FeatureMSE(0.0, label_smoothing=0.1), [torch.rand(4, 5, 2, 3, 3)]),
    (SpikeTrainDistillation(0.0, label_smoothing=0.1), []),
]


@pytest.mark.parametrize(("objective", "features"), OFF, ids=lambda o: type(o).__name__)
def test_without_its_weight_it_is_plain_training(objective, features):
    """kdsnn page, check 5; distilling_spikes page, check 4."""
    logits, target = torch.randn(4, 5, 3), torch.tensor([0, 2, 1, 1, 0])
    soft = 0.3 * F.one_hot(target, 3).float() + 0.7 * F.one_hot(target.roll(1), 3).float()
    for y in (target, soft):
        found, slope, _ = graded(objective, logits, y, Lesson(torch.randn(4, 5, 3), features, features))
        plain, wanted, _ = graded(MeanCE(0.1), logits, y)
        assert found == pytest.approx(plain)
        torch.testing.assert_close(slope, wanted)


def test_margin_relu_and_partial_l2_of_the_page():
    """kdsnn page, check 3: the first element is below a negative wish and does not count."""
    wished = torch.maximum(torch.tensor([-1, -0.2, 0.5, 1]), torch.tensor(-0.4))
    assert wished.tolist() == pytest.approx([-0.4, -0.2, 0.5, 1])
    assert partial_l2(torch.tensor([-0.8, 0.1, 0.2, 1.5]), wished).item() == pytest.approx(0.43)


@pytest.mark.parametrize(("gain", "shift"), [(1.0, 0.0), (-0.7, 0.4), (2.0, -1.0), (1e-3, 1.0)])
def test_margin_is_the_mean_of_what_is_negative(gain, shift):
    norm = torch.nn.BatchNorm2d(1)
    norm.weight.data.fill_(gain)
    norm.bias.data.fill_(shift)
    t = shift + abs(gain) * torch.special.ndtri((torch.arange(200_000, dtype=F64) + 0.5) / 200_000)
    expected = t[t < 0].mean().item() if (t < 0).any() else -3 * abs(gain)
    assert margin_of(norm, "layer").item() == pytest.approx(expected, rel=1e-3)


# trains [T, N=1, K=2] of the page distilling_spikes
STUDENT = torch.tensor([[0, 1, 0, 1, 1, 0], [1, 0, 0, 0, 0, 1]], dtype=F64).t().unsqueeze(1)
TEACHER = torch.tensor([[1, 1, 0, 1, 1, 1], [0, 0, 0, 1, 0, 0]], dtype=F64).t().unsqueeze(1)


@pytest.mark.parametrize(
    ("values", "loss"),
    [
        ({"mode": "full"}, 5),
        ({"window": 6, "stride": 6}, 5),
        ({"window": 3, "stride": 3}, 3),
        ({"window": 3}, 5),
        ({"window": 2}, 6),
        ({}, 5),  # half of T
    ],
)
def test_trains_of_the_page(values, loss):
    """distilling_spikes page, checks 1 and 2."""
    objective = SpikeTrainDistillation(1.0, **values)
    assert objective(STUDENT, Y, Lesson(TEACHER))[0].item() == loss
    assert objective(TEACHER, Y, Lesson(TEACHER))[0].item() == 0


def test_gradient_and_permutations_of_the_page():
    """distilling_spikes page, checks 2 and 3."""
    objective = SpikeTrainDistillation(1.0, window=3, stride=3)
    _, slope, _ = graded(objective, STUDENT, Y, Lesson(TEACHER))
    assert slope[:, 0, 0].tolist() == [-2.0] * 6
    inside, across = STUDENT[[2, 0, 1, 3, 5, 4]], STUDENT[[0, 1, 4, 3, 2, 5]]
    assert objective(inside, Y, Lesson(TEACHER))[0].item() == 3
    assert objective(across, Y, Lesson(TEACHER))[0].item() != 3


def test_heating_follows_the_softened_counts():
    objective = SpikeTrainDistillation(1.0, "full", distance="heating", temperature=4.0)
    wished = (torch.tensor([5.0, 1.0]) / 4).softmax(0)
    expected = -(wished * (torch.tensor([3.0, 2.0]) / 4).log_softmax(0)).sum().item()
    assert objective(STUDENT, Y, Lesson(TEACHER))[0].item() == pytest.approx(expected)


class Net(SpikingModel):
    """conv - neuron - conv (stride) + residual of itself - neuron - linear - neuron - readout."""

    def __init__(self, neuron=LIF, width=4, norm=BatchNorm, steps=4):
        super().__init__()
        parts = Parts(lambda site, **kw: neuron(site, ATan(), **kw), norm, Plain(), steps)
        self.a, self.b = parts.unit(3, width), parts.unit(width, width, stride=2)
        self.shortcut = parts.projection(width, width, stride=2)
        self.hidden, self.readout = parts.linear_unit(width, 6), parts.readout(6, 5)

    def forward(self, x_seq):
        x = self.a(x_seq)
        x = self.b(x, self.shortcut(x))
        return self.readout(self.hidden(x.mean((-2, -1))))


def lesson(objective, student, teacher, x):
    x_seq = x.expand(4, *x.shape)
    teacher = Teacher(teacher, lambda x: x.unsqueeze(0))
    objective.prepare(outline(student, x_seq), outline(teacher.model, x.unsqueeze(0)))
    with lessons(student, objective, x, x_seq, teacher) as taught:
        logits = student(x_seq)
    return logits, *taught()


def test_features_of_every_layer_as_the_survey_sums_them():
    student, teacher, x = Net(), Net(ReLU, steps=1), torch.randn(2, 3, 8, 8)
    objective, target = FeatureMSE(0.1), torch.tensor([0, 3])
    logits, taught = lesson(objective, student, teacher, x)
    assert objective.layers == ["a.neuron", "b.neuron", "hidden.neuron"]
    assert [len(t) for t in taught.teacher] == [1, 1, 1]
    assert [len(s) for s in taught.student] == [4, 4, 4]
    loss, parts = objective(logits, target, taught)
    expected = sum(F.mse_loss(s.mean(0), t[0]) for s, t in zip(taught.student, taught.teacher))
    torch.testing.assert_close(parts["feature"], expected)
    torch.testing.assert_close(loss, F.cross_entropy(logits.mean(0), target) + 0.1 * expected)
    parts["feature"].backward()
    assert student.a.synapse.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in teacher.parameters())


@pytest.mark.parametrize("read", ["current", "rate"])
def test_features_before_the_activation(read):
    student, teacher, x = Net(width=4), Net(ReLU, width=7, steps=1), torch.randn(2, 3, 8, 8)
    objective, target = FeatureDistillation(0.01, read), torch.tensor([0, 3])
    logits, taught = lesson(objective, student, teacher, x)
    assert objective.layers == objective.teacher_layers == ["a.neuron", "b.neuron"]  # the last of each image size
    loss, parts = objective(logits, target, taught)
    assert taught.teacher[1].min() < 0, "before the ReLU"
    expected = 0.0
    for index, weight in enumerate((0.5, 1.0)):
        wished = taught.teacher[index][0].maximum(getattr(objective, f"margin_{index}"))
        shown = objective.transforms[index](taught.student[index].mean(0))
        expected += weight * partial_l2(shown, wished).item() / 2
    assert parts["feature"].item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert all(p.grad.abs().sum() > 0 for p in [*student.a.parameters(), *objective.parameters()])
    assert all(p.grad is None for p in teacher.parameters())
    assert {name for name, _ in objective.named_parameters()} == {
        f"transforms.{i}.{name}" for i in (0, 1) for name in ("0.weight", "1.weight", "1.bias")
    }


REFUSALS = [
    (FeatureMSE(), Net(ReLU, width=5), "compares features of one shape.*kd_feature"),
    (FeatureMSE(layers=["a"]), Net(ReLU), "objective.layers: a is no neuron layer of the student; there are a.neuron"),
    (FeatureMSE(layers=["a.neuron"]), Net(ReLU), "1 layers of the student cannot be compared with 3"),
    (FeatureDistillation(layers=["a.neuron"], teacher_layers=["b.neuron"]), Net(ReLU), "matches channels, not sizes"),
    (FeatureDistillation(), Net(ReLU, norm=lambda site: NoNorm(site)), "batch norm before the teacher's a.neuron"),
    (SpikeTrainDistillation(), Net(ReLU), "the teacher has T=1"),
]


@pytest.mark.parametrize(("objective", "teacher", "sentence"), REFUSALS, ids=[s for *_, s in REFUSALS])
def test_what_cannot_be_compared_is_refused(objective, teacher, sentence):
    with pytest.raises(ConfigError, match=sentence):
        lesson(objective, Net(), teacher, torch.randn(2, 3, 8, 8))


def test_bf16_networks_give_an_fp32_loss():
    logits, target = torch.randn(4, 2, 5).bfloat16(), torch.tensor([0, 3])
    features = [torch.rand(4, 2, 3, 4, 4).bfloat16()]
    for objective in (ResponseDistillation(), FeatureMSE(), SpikeTrainDistillation()):
        loss, _ = objective(logits, target, Lesson(logits[:4], features, features))
        assert loss.dtype == torch.float32
        assert math.isfinite(loss)


def test_a_teacher_is_frozen():
    model = spiking_mlp(3, 8, 5, double=False)
    teacher = Teacher(model, None)
    assert not teacher.train().training
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not teacher(torch.randn(2, 3), torch.randn(4, 2, 3)).requires_grad
