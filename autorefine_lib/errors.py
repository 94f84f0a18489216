"""The one exception that a user can cause, and that the command line prints without a traceback."""


class InputError(ValueError):
    """Bad input: the message names the bad value, what is allowed and what to do, in one line."""


def disk_is_full(message: str) -> bool:
    """Whether an error's text says that the disk is full; Python, Arrow, SQLite and safetensors say it differently."""
    signs = ("[errno 28]", "os error 28", "no space left on device", "database or disk is full")
    return any(sign in message.lower() for sign in signs)


def explain_download(name: str, error: Exception) -> str:
    """Why the model `name` cannot be loaded, in one line, and how it comes to a machine without a network."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return (
        f"cannot be loaded ({reason}); give a Hub name, or a folder: on a machine with a network run "
        f"`hf download {name} --local-dir models/{name.split('/')[-1]}`, copy that folder here and give its path"
    )
