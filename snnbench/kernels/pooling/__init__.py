"""Average and max pooling of channels-last maps without overlap."""
