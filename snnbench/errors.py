"""The one error a user's input can cause."""


class ConfigError(ValueError):
    """Bad input: one sentence that names the key, the value and the remedy. The CLI exits with code 2."""

    def __init__(self, message: str = ""):
        # torch raises the error of a data-loading process anew with a whole traceback, which ends in the sentence
        if "Original Traceback" in message:
            message = message.strip().rpartition(f"{type(self).__name__}: ")[2]
        super().__init__(message)
