"""The one exception for what a user can mend."""


class UserError(Exception):
    """Bad input: what is wrong, where, and what to do about it.

    Programs print it as one line on standard error and exit with status 2.
    Every other exception is a bug and keeps its traceback.

    Args:
        message: what is wrong and where, in one line.
        hint: what to do, in one line; left out when the message says it already.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} (hint: {self.hint})" if self.hint else self.message
