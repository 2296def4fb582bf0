"""Augmentation of many samples at once on their device, with the same distribution as sample by sample."""
