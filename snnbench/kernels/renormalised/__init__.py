"""OSR's norm and its LIF with a stabilised threshold, one time step at a time."""
