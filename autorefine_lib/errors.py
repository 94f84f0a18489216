"""What a user can cause: bad input and a stop, which command line and notebooks show without a traceback."""


class InputError(ValueError):
    """Bad input: the message names the bad value, what is allowed and what to do, in one line."""

    def _render_traceback_(self) -> list[str]:
        """What IPython, and so a notebook, shows of it."""
        return [f"InputError: {self}"]


class Stopped(KeyboardInterrupt):
    """Ctrl-C, or ■ in a notebook, ended a training whose state is kept; the message says how to go on."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def disk_is_full(message: str) -> bool:
    """Whether an error's text says that the disk is full; Python, Arrow, SQLite and safetensors say it differently."""
    signs = ("[errno 28]", "os error 28", "no space left on device", "database or disk is full")
    return any(sign in message.lower() for sign in signs)
