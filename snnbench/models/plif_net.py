"""The networks of PLIF: max-pooled convolutions, two spiking linear layers and a vote (Fang et al., ICCV 2021,
arXiv:2007.05785).

    [conv3x3 - norm - SN (x n) - MP2] (a stage) ... - DP - FC hidden - SN - DP - FC 10K - SN - vote

SN is a layer of spiking neurons, DP dropout, MP a max pool and FC a linear layer. The vote is the mean of the 10 output
neurons of each class; the paper's squared error compares its mean over T, a firing rate, with the one-hot label.
Linear layers, and convolutions followed by a norm with a shift, have no bias. A static image passes the first
convolution and norm once.

Parameters with one PLIF scalar a layer: MNIST 13,198,980, CIFAR-10 36,718,344, N-MNIST 17,132,292, CIFAR10-DVS
17,427,718, DVS Gesture 1,698,311 (code fangwei123456/Parametric-Leaky-Integrate-and-Fire-Spiking-Neuron @f644ff6).
SpikingJelly's later copy under the same name has biases, and 512 instead of 2048 hidden neurons for CIFAR10-DVS.
"""

from __future__ import annotations

from typing import Annotated, Literal

from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require
from snnbench.models.dropout import TemporalDropout
from snnbench.models.layers import AvgPool2d, Flatten, MaxPool2d
from snnbench.models.parts import Parts
from snnbench.models.resnet_parts import check_size


class Vote(nn.Module):
    """Mean over groups of `voters` neighbours, `[T, N, K * voters] -> [T, N, K]`."""

    def __init__(self, voters: int):
        super().__init__()
        self.voters = voters

    def forward(self, x_seq: Tensor) -> Tensor:
        return x_seq.unflatten(-1, (-1, self.voters)).mean(-1)


class PLIFNet(SpikingModel):
    """`[T, N, C, H, W] -> votes [T, N, K]` in [0, 1].

    Args:
        channels: The number of channels of every convolution.
        stages: The number of units before each pool, [3, 3] for CIFAR-10 and [1, 1, 1, 1] for CIFAR10-DVS.
        hidden: The number of neurons of the first linear layer; null takes a quarter of its inputs (event data).
        dropout: The share of the inputs that is dropped for each of the two linear layers, with the same mask at all T
            steps.
        voters: The number of output neurons for each class.
        pool: The 2x2 pool after each stage: "max" keeps spikes binary, "avg" is the paper's ablation.

    Raises:
        ConfigError: There is no stage, `dropout` has not two numbers, or the image is smaller than the total stride.
    """

    traits = ("max_pool",)
    made_for = {  # noqa: RUF012
        "*_mnist": ("data=mnist", "neuron=plif", "norm=bn_by_step"),
        "*_nmnist": ("data=nmnist", "neuron=plif", "norm=bn_by_step"),
        "*_cifar10dvs": ("data=cifar10_dvs", "data.shape=[2,128,128]", "neuron=plif", "norm=bn_by_step"),
        "*_gesture": ("data=dvs_gesture", "data.shape=[2,128,128]", "neuron=plif", "norm=bn_by_step"),
        "*": ("data=cifar10", "neuron=plif", "norm=bn_by_step"),
    }

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        channels: Annotated[int, ">= 1"] = 256,
        stages: list[int] = (3, 3),
        hidden: Annotated[int, ">= 1"] | None = 2048,
        dropout: list[Annotated[float, "in [0, 1)"]] = (0.5, 0.0),
        voters: Annotated[int, ">= 1"] = 10,
        pool: Literal["max", "avg"] = "max",
    ):
        super().__init__()
        require(len(stages) > 0 and min(stages) >= 1, f"model.stages={list(stages)} must be positive, e.g. [3, 3].")
        require(len(dropout) == 2, f"model.dropout={list(dropout)} must be two shares, e.g. [0.5, 0.5].")
        check_size("plif_net", in_shape, 2 ** len(stages), "give model.stages fewer stages (each halves the image)")
        c_in, height, width = in_shape
        layers: list[nn.Module] = []
        for count in stages:
            for _ in range(count):
                layers.append(parts.unit(c_in, channels))
                c_in = channels
            layers.append(MaxPool2d(2) if pool == "max" else AvgPool2d(2))
        self.features = nn.Sequential(*layers, Flatten(), TemporalDropout(dropout[0]))
        flat = channels * (height >> len(stages)) * (width >> len(stages))
        hidden = hidden or max(flat // 4, 1)
        self.hidden = parts.linear_unit(flat, hidden, bias=False)
        self.dropout = TemporalDropout(dropout[1])
        self.readout = parts.linear(hidden, num_classes * voters, bias=False)
        self.output = parts.neuron(num_classes * voters)
        self.vote = Vote(voters)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.vote(self.output(self.readout(self.dropout(self.hidden(self.features(x_seq))))))
