"""The error that every module raises for wrong user input."""


class ConfigError(ValueError):
    """Bad input: one sentence that names the key, the value and the remedy. The CLI exits with code 2."""

    def __init__(self, message: str = ""):
        # An error from a DataLoader worker arrives with the worker's traceback as text. Its last line is our sentence.
        if "Original Traceback" in message:
            message = message.strip().rpartition(f"{type(self).__name__}: ")[2]
        super().__init__(message)
