"""Neurons whose threshold adapts: ALIF, one step after the other, and BlockALIF, block after block."""
