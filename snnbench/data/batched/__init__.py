"""Augmentation of many samples at once, on the device that holds them; the distribution is the per-sample path's."""
