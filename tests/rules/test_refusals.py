"""Rules, neurons, synapses and losses that do not fit together are refused in one sentence that says what to use."""

import re

import pytest

from snnbench.config.compose import compose
from snnbench.errors import ConfigError

NO_FIT = "does not fit the rest"
REFUSED = [
    ("objective=num_spikes", f"objective=num_spikes {NO_FIT}: a number of spikes needs a model"),
    ("objective=spike_time", f"objective=spike_time {NO_FIT}: a distance between spike trains needs"),
    ("objective=van_rossum", f"objective=van_rossum {NO_FIT}: a distance between spike trains"),
    ("objective=target_time", f"objective=target_time {NO_FIT}: a target firing time needs"),
    ("neuron=first_spike", f"neuron=first_spike {NO_FIT}: a neuron that fires at most once has no"),
    ("model=cuba_mlp neuron=lif", "use neuron=cuba_lif"),
    ("method=slayer model=s4nn_mlp", f"model=s4nn_mlp {NO_FIT}"),
    ("method=slayer objective.stop=0", "objective.stop=0 must be a number > 0 or null"),
    ("method=ottt neuron=srm", "neuron=srm does not go with rule=ottt: an input changes this neuron's"),
    ("method=ottt neuron=psn", "use neuron=lif_ottt"),
    ("method=ottt synapse=axonal_delay", "synapse=axonal_delay does not go with rule=ottt"),
    ("method=ottt model=vgg11_ws data=cifar10 synapse=iir", "carries gradients through time"),
    ("method=ottt model=vgg11_ws data=cifar10 synapse=dcls", "a delayed synapse needs the inputs of many steps"),
    ("method=osr norm=bn", "use norm=osr"),
    ("method=osr norm=tebn", "use norm=osr"),
    ("method=osr neuron=psn", "use neuron=lif_osr"),
    ("method=osr objective=mean_ce", "use objective=per_step"),
    ("rule=s4nn norm=none", f"rule=s4nn {NO_FIT}: the rule backpropagates errors of firing times"),
    ("method=s4nn objective=tet", f"rule=s4nn {NO_FIT}"),
    ("method=s4nn encoder=direct", "use encoder=rank_latency"),
    ("method=s4nn neuron=lif", "use neuron=first_spike"),
    ("method=s4nn norm=bn", "use norm=none"),
    ("method=s4nn synapse=weight_std", "use synapse=plain"),
    ("method=s4nn synapse=axonal_delay", "synapse=axonal_delay does not go with rule=s4nn"),
    ("method=s4nn model=csnn", "model=s4nn_mlp"),
    ("method=superspike neuron=lif", "use neuron=cuba_lif"),
    ("method=superspike neuron=srm", "use neuron=cuba_lif"),
    ("method=superspike norm=bn", "use norm=none"),
    ("method=superspike synapse=weight_std", "use synapse=plain"),
    ("method=superspike synapse=iir", "use synapse=plain"),
    ("method=superspike synapse=axonal_delay", "rule=superspike does not go with synapse=axonal_delay"),
    ("method=superspike model=cuba_mlp_leaky objective=mean_ce", "use model=cuba_mlp"),
    ("method=superspike objective=van_rossum data=digits_dvs encoder=threshold_latency", "encoder=frames"),
    ("method=tandem synapse=axonal_delay", "rule=tandem does not go with synapse=axonal_delay"),
    ("rule=tandem neuron=if model=sew_resnet18", "rule=tandem does not go with model=sew_resnet18"),
    ("rule=tandem neuron=if model=spikformer_cifar_4_384", "attention"),
    ("rule=tandem neuron=if model=ms_resnet18", "shortcut"),
    ("rule=tandem model=csnn neuron=plif", "gives the neuron no gradient"),
    ("rule=tandem model=csnn neuron=psn", "gives the neuron no gradient"),
    ("rule=tandem model=csnn neuron=relu", "needs spikes to count"),
    ("method=dspike surrogate=atan", "use surrogate=dspike"),
    ("method=dspike rule.eps=0.0", "rule.eps"),
]


@pytest.mark.parametrize(("overrides", "says"), REFUSED, ids=[overrides for overrides, _ in REFUSED])
def test_what_does_not_fit_is_refused_in_one_sentence(overrides, says):
    with pytest.raises(ConfigError, match=re.escape(says)) as error:
        compose(overrides.split())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "overrides", ["norm=osr", "neuron=lif_osr", "method=osr norm=none synapse=weight_std neuron=lif"]
)
def test_osrs_norm_threshold_and_rule_are_switches_of_their_own(overrides):
    assert compose(overrides.split()).config["T"]
