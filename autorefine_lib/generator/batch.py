"""Records of rewritten ads in a file that grows, a JSON object a line: what is stopped goes on where it stopped."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from autorefine_lib.errors import InputError
from autorefine_lib.files import sha256
from autorefine_lib.generator import pretrained

_BEGINNING = b'{"job_id": '


def check_out(out: Path, names: Sequence[str], at_once: bool = False) -> None:
    """Raise InputError unless `out` is a .jsonl, or a .docx and the only one of `names` too.

    A file that is written `at_once`, as a .docx always is, must be new: nothing is replaced.
    """
    if out.suffix not in (".jsonl", ".docx"):
        raise InputError(f"--out {out}: give a name that ends in .jsonl, or in .docx for one .docx")
    if out.suffix == ".docx" and [Path(name).suffix.lower() for name in names] != [".docx"]:
        raise InputError(f"--out {out}: a .docx is written from one .docx; for other files give a name with .jsonl")
    if (at_once or out.suffix == ".docx") and out.exists():
        raise InputError(f"--out {out}: is there already; give a new name")


def name_policy(policy: str) -> str:
    """The policy's name, with the beginnings of the SHA-256 of its weights where these are files of a folder."""
    folder = pretrained.shipped(policy) if policy in pretrained.SHIPPED else Path(policy)
    return " ".join([policy, *(sha256(file)[:12] for file in sorted(folder.glob("*.safetensors")))])


def count_done(out: Path, ads: Sequence[tuple[str, str]], policy: str) -> int:
    """How many of `ads`, from the first on, have a record in `out`. Half a line at the end of the file is dropped.

    Raises:
        InputError: a line is no record, or one of another ad or by another policy.
    """
    data = out.read_bytes() if out.exists() else b""
    *lines, half = data.split(b"\n")
    remedy = "give --out another name, or remove the file to begin anew"
    for number, line in enumerate(lines, 1):
        job_id, original = ads[number - 1] if number <= len(ads) else (None, None)
        try:
            found = dict(json.loads(line))
        except (ValueError, TypeError):
            found = {}
        for key, value in {"job_id": job_id, "original": original, "policy": policy}.items():
            if found.get(key, ...) != value:
                raise InputError(f"{out}: line {number} has another {key} than ad {number} of this command; {remedy}")
    if not half.startswith(_BEGINNING[: len(half)]):
        raise InputError(f"{out}: its last line is no record of an ad; {remedy}")
    if half:
        os.truncate(out, len(data) - len(half))
    return len(lines)


def append_records(out: Path, records: Iterable[dict[str, Any]], policy: str, done: int, total: int) -> None:
    """Append `records` with their policy to `out`, each as soon as it is there, behind the `done` ones of `total`.

    Raises:
        KeyboardInterrupt: it was stopped; the message says how many are done and how to go on.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    # Ads come in groups, minutes apart: the estimate is from the speed of the whole time.
    bar = tqdm(records, initial=done, total=total, unit="ad", smoothing=0, mininterval=0, disable=None)
    try:
        with out.open("ab") as file:
            for record in bar:
                file.write(json.dumps(record | {"policy": policy}, ensure_ascii=False).encode() + b"\n")
                file.flush()
                done += 1
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped: {done:,} of {total:,} ads are in {out}; the same command goes on") from None
