"""Softmax-free attention of spikes."""
