"""OSR's norm: the numbers of the catalogue page, running statistics, walks, what the survey does otherwise."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from snnbench.norms.osr import OSR
from snnbench.site import Site
from tests.tiny import graded, site, walked

F64 = torch.float64
AXES = (0, 2, 3)


def column(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1)


def images(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*(shape or (4, 6, 3, 5, 5)), dtype=F64, generator=generator)
    return x * torch.arange(1, x.shape[0] + 1).view(-1, *[1] * (x.ndim - 1)) * 0.7 + 0.3


def norm_in_use(**changes) -> OSR:
    """A norm whose parameters and running statistics have left their start."""
    norm = OSR(site(), **changes).double()
    for values, numbers in [
        (norm.weight, [1.5, -0.7, 0.9]),
        (norm.bias, [0.1, 0.2, -0.3]),
        (norm.running_mean, [0.5, -0.2, 0.0]),
        (norm.running_var, [2.0, 0.5, 1.3]),
    ]:
        values.data = torch.tensor(numbers, dtype=F64)
    return norm


def as_defined(norm: OSR, x: Tensor) -> Tensor:
    """gamma (Ihat ng(k) + ng(d)) + beta for one step, written as the page does."""
    mean, var = x.mean(AXES), x.var(AXES, correction=0)
    running = (norm.running_var + norm.eps).sqrt()
    whitened = (x - column(mean)) / column((var + norm.eps).sqrt())
    scale = ((var + norm.eps).sqrt() / running).detach()
    shift = ((mean - norm.running_mean) / running).detach()
    return column(norm.weight) * (whitened * column(scale) + column(shift)) + column(norm.bias)


class TestNorm:
    def test_value_is_the_running_statistics_affine_map_and_gradients_are_the_definitions(self):
        """Page, check 1."""
        norm, twin, x = norm_in_use(), norm_in_use(), images()[1]
        g = torch.randn(x.shape, dtype=F64, generator=torch.Generator().manual_seed(1))
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        ours = norm(a.unsqueeze(0)).squeeze(0)
        affine = F.batch_norm(
            x, twin.running_mean, twin.running_var, twin.weight, twin.bias, training=False, eps=twin.eps
        )
        torch.testing.assert_close(ours, affine)
        ours.backward(g)
        as_defined(twin, b).backward(g)
        torch.testing.assert_close(a.grad, b.grad)
        torch.testing.assert_close(norm.weight.grad, twin.weight.grad)
        torch.testing.assert_close(norm.bias.grad, g.sum(AXES))

    def test_toy_of_the_page(self):
        """Page, check 3; dgamma is 0, where the released expression, without k, gives -0.069045."""
        norm = OSR(Site(1, 1), eps=1e-14).double()
        norm.running_mean.fill_(1)
        norm.running_var.fill_(4)
        norm.weight.data.fill_(2)
        norm.bias.data.fill_(0.5)
        x = torch.tensor([1.0, 2, 3, 6], dtype=F64).view(1, 4, 1).requires_grad_()
        y = norm(x)
        assert y.flatten().tolist() == pytest.approx([0.5, 1.5, 2.5, 5.5])
        y[0, 0].sum().backward()
        assert x.grad.flatten().tolist() == pytest.approx([0.464286, -0.392857, -0.25, 0.178571], abs=1e-6)
        assert norm.weight.grad.item() == pytest.approx(0, abs=1e-12)
        whitened, k, d = -2 / 14**0.5 * 2, 14**0.5 / 4, 1.0
        assert whitened * k + d == pytest.approx(0)
        assert whitened + d == pytest.approx(-0.069045, abs=1e-6)

    @pytest.mark.parametrize("why", ["they agree", "far away"])
    def test_plain_batch_norm_where_statistics_agree_and_far_from_the_running_ones(self, why):
        """Page, check 7; far away the layer uses the step's own."""
        norm, x = norm_in_use(), images()[2]
        if why == "they agree":
            norm.running_mean.copy_(x.mean(AXES))
            norm.running_var.copy_(x.var(AXES, correction=0))
        else:
            x[:, 1] *= 100
        affine = (norm.weight, norm.bias)
        plain = graded(lambda b: F.batch_norm(b, None, None, *affine, training=True, eps=norm.eps), x, x.cos(), affine)
        found = graded(lambda a: norm(a.unsqueeze(0)).squeeze(0), x, x.cos(), affine)
        torch.testing.assert_close(found, plain)

    def test_no_gradient_along_a_shift_or_a_scaling_of_the_input(self):
        """Page, check 4."""
        norm, x = norm_in_use(eps=1e-12), images()[1]
        _, (gradient,) = graded(lambda a: norm(a.unsqueeze(0)).squeeze(0), x, torch.randn_like(x))
        assert gradient.sum(AXES).abs().max() < 1e-12
        assert (gradient * (x - column(x.mean(AXES)))).sum(AXES).abs().max() < 1e-10

    @pytest.mark.parametrize("training", [True, False])
    @pytest.mark.parametrize("trailing", [(), (5, 6)])
    def test_walking_equals_running_also_in_training(self, training, trailing):
        norm, twin = norm_in_use().train(training), norm_in_use().train(training)
        for seed in range(3):
            x = images(4, 6, 3, *trailing, seed=seed)
            torch.testing.assert_close(walked(norm, x), twin(x))
        torch.testing.assert_close(norm.state_dict(), twin.state_dict())

    def test_running_statistics_take_all_steps_together_and_one_batch_late(self):
        """Page, check 5; folded in at the first step of the next training batch, not in evaluation."""
        norm, x = norm_in_use(), images()
        mean, var = norm.running_mean.clone(), norm.running_var.clone()
        norm(x)
        norm.eval()(x)
        assert torch.equal(norm.running_mean, mean)
        assert torch.equal(norm.running_var, var)
        norm.train()(x)
        merged = x.flatten(0, 1)
        torch.testing.assert_close(norm.running_mean, 0.9 * mean + 0.1 * merged.mean(AXES))
        torch.testing.assert_close(norm.running_var, 0.9 * var + 0.1 * merged.var(AXES, correction=0))
        assert norm.pending_steps == 4

    @pytest.mark.parametrize("factor", [0.01, 1.0, 2.0, 40.0])
    def test_the_survey_clips_the_ratio(self, factor):
        """Beside a running mean 0 and variance 1, x comes out as it is, or as 5 or 1/5 of its own deviations."""
        norm, x = OSR(site(), eps=1e-12, bound=5.0, beyond="clip").double(), factor * images()
        for x_t, y_t in zip(x, walked(norm, x)):
            deviation = x_t.std(AXES, correction=0)
            torch.testing.assert_close(y_t, x_t * column(deviation.clip(1 / 5, 5) / deviation))

    def test_autocast_keeps_the_inputs_dtype_and_fp32_statistics(self):
        norm, x = OSR(site()), images().bfloat16()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert norm(x).dtype == torch.bfloat16
            assert norm.eval()(x).dtype == torch.bfloat16
        torch.testing.assert_close(norm.pending_mean / 4, x.double().mean((0, 1, 3, 4)).float(), rtol=1e-4, atol=1e-4)
