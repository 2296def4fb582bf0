"""snnbench: surrogate-gradient learning algorithms of deep spiking neural networks, composed, trained and tabulated."""

__version__ = "0.1.0"
