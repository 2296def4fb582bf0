"""The one error a user's input can cause."""


class ConfigError(ValueError):
    """Bad input: one sentence that names the key, the value and the remedy. The CLI exits with code 2."""
