"""A plugin as a user would write it: an attention for both places, a norm behind the spikes, a recurrent model, a loss
of potentials, and a rule that walks through time."""
