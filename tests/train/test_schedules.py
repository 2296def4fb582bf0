"""Learning-rate schedules against rates that official runs logged."""

import numpy as np
import pytest

from snnbench.errors import ConfigError
from snnbench.train.schedules import CosineAfterWarmup

# train_lr of zhouchenlin2096/QKFormer @c2a00e8, imagenet/imagenet_origin_log.txt: means over an epoch's 2,224 steps
LOGGED = {
    0: 0.00013493929856115097,
    4: 0.0012149392985611506,
    5: 0.0013499708416715777,
    50: 0.001176747398560892,
    150: 0.00020436092770868415,
    199: 1.029197686902146e-06,
}


@pytest.mark.parametrize("epoch", LOGGED)
def test_cosine_after_warmup_gives_the_rates_that_qkformer_logged(epoch):
    schedule = CosineAfterWarmup(epochs=200, warmup_epochs=5, min_factor=1e-6 / 1.35e-3, interval="step")
    rates = [1.35e-3 * schedule.factor(epoch + step / 2224) for step in range(2224)]
    assert np.mean(rates) == pytest.approx(LOGGED[epoch], rel=1e-5)


def test_a_warmup_as_long_as_the_training_is_refused():
    with pytest.raises(ConfigError, match=r"schedule.warmup_epochs=5 leaves nothing of train.epochs=5"):
        CosineAfterWarmup(epochs=5, warmup_epochs=5)
