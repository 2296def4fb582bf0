"""Neurons that are one matrix over time, or a window that slides over it: PSN, masked PSN, sliding PSN."""
