"""The one exception that means: the user can mend this."""


class UserError(Exception):
    """A mistake in what the user gave: options, files, records.

    The command line shows its text as `error: ...` without a traceback. The text says what was found, where, and what
    is needed. `exit_code` is 2 for a mistake on the command line itself and 1 for everything else.
    """

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
