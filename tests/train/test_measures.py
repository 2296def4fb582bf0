"""What is measured after training."""

from types import SimpleNamespace

import torch

from snnbench.train.measures import mirrored_accuracy


class Lopsided(torch.nn.Module):
    """Of two pixels side by side: the left one speaks for class 0 once it is bright, the right one for class 1."""

    def forward(self, x_seq):
        left, right = x_seq.flatten(2).unbind(2)
        return torch.stack([3 * (left - 0.5).relu(), right], dim=2)


TASK = SimpleNamespace(model=Lopsided(), encoder=lambda x: x.expand(2, *x.shape), device=torch.device("cpu"))


def test_mirrored_images_are_averaged_in():
    """Alone the second image would be of class 1; both views of either together say 1.5 : 1."""
    x, target = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(2, 1, 1, 2), torch.tensor([0, 0])
    assert TASK.model(TASK.encoder(x)).mean(0).argmax(1).tolist() == [0, 1]
    assert mirrored_accuracy(TASK, [(x, target)]) == 100.0
    assert mirrored_accuracy(TASK, [(x, target), (x, target + 1)]) == 50.0
