"""A plugin as a user would write it: an attention for both places, a norm behind the spikes, a recurrent model."""
