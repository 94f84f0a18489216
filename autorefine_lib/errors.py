"""The one exception that a user can cause, and that the command line prints without a traceback."""


class InputError(ValueError):
    """Bad input: the message names the bad value, what is allowed and what to do, in one line."""


def disk_is_full(message: str) -> bool:
    """Whether an error's text says that the disk is full; Python, Arrow, SQLite and safetensors say it differently."""
    signs = ("[errno 28]", "os error 28", "no space left on device", "database or disk is full")
    return any(sign in message.lower() for sign in signs)
