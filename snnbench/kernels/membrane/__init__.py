"""Neurons that charge, fire and reset step by step, with one state (IF, LIF, PLIF) or two (CLIF, GLIF)."""
