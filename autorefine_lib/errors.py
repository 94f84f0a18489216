"""The one exception that a user can cause, and that the command line prints without a traceback."""


class InputError(ValueError):
    """Bad input: the message names the bad value, what is allowed and what to do, in one line."""
