"""Where a number comes from: commit, versions and device, for the result rows and the report."""

import hashlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("torch", "transformers", "peft", "trl", "datasets", "sentence-transformers", "numpy", "pandas")

# Files that no notebook's numbers depend on: how a run is started. What a profile sets is compared as parameters.
NOT_INPUT = {"cli.py", "reproduce.py", "progress.py", "profiles.json"}


def commit() -> str:
    """Short hash of the checked-out commit, with `+changes` where tracked files differ; `unknown` outside git."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout

    try:
        # Reports are what a run writes: they do not make the code another one.
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)reports")
        return git("rev-parse", "--short=10", "HEAD").strip() + ("+changes" if changed.strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions() -> dict[str, str]:
    """Python and the packages whose version can move a number."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


def versions_line() -> str:
    """`versions()` as one table cell: `python 3.11.7, torch 2.13.0+cpu, …`."""
    return ", ".join(f"{name} {version}" for name, version in versions().items())


def device() -> str:
    """The GPU's name, or `CPU` with the number of usable cores."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return f"CPU, {len(os.sched_getaffinity(0)) if platform.system() == 'Linux' else os.cpu_count()} cores"


def library_hash() -> str:
    """Hash of the library's source and resources, without the files in NOT_INPUT."""
    folder = Path(__file__).parent
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    digest = hashlib.sha256()
    for path in paths:
        if path.name not in NOT_INPUT:
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
