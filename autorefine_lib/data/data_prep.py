"""Notebook 01: load the jobs and candidates, check them, describe them, and save them for the notebooks after it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset, concatenate_datasets

from autorefine_lib.data import schema, sources
from autorefine_lib.errors import InputError
from autorefine_lib.files import write_atomic, write_json
from autorefine_lib.text import wording

NAMES = ("jobs", "candidates")
LABELS = {"embedded": "embedded (synthetic)", "hub": "Hacker News ads, Bias in Bios (Hub)"}


def prepare(data_dir: Path, source: str = "embedded", **options: Any) -> sources.Loaded:
    """Load a source, check it, and save it as jobs.parquet and candidates.parquet under `data_dir`, atomically.

    about.json in the same folder says where the data come from.

    Args:
        data_dir: `<run>/artefacts/data`.
        source: "embedded", "hub" or "local".
        options: the fields of `sources.Options`.

    Raises:
        InputError: as `sources.load`.
    """
    loaded = sources.load(source, **options)
    for name in NAMES:
        table = getattr(loaded, name).to_pandas()
        write_atomic(Path(data_dir) / f"{name}.parquet", partial(table.to_parquet, index=False))
    files = [Path(options[key]).name for key in ("jobs_path", "candidates_path") if options.get(key)]
    name = LABELS.get(source) or f"local: {', '.join(files)}"
    write_json(Path(data_dir) / "about.json", {"source": source, "label": name, "dropped": loaded.dropped})
    return loaded


def read_data(data_dir: Path) -> tuple[Dataset, Dataset]:
    """The jobs and candidates that `prepare` saved.

    Raises:
        InputError: they are not there.
    """
    paths = [_require_file(Path(data_dir) / f"{name}.parquet") for name in NAMES]
    jobs, candidates = (Dataset.from_pandas(pd.read_parquet(path), preserve_index=False) for path in paths)
    return jobs, candidates


def read_label(data_dir: Path) -> str:
    """The name of the data in the column "data" of the result rows; it contains "synthetic" for synthetic data.

    Raises:
        InputError: notebook 01 has not run.
    """
    return json.loads(_require_file(Path(data_dir) / "about.json").read_text("utf-8"))["label"]


def select_split(jobs: Dataset, split: str) -> Dataset:
    """The jobs of one split; InputError when there is none."""
    rows = [row for row, name in enumerate(jobs["split"]) if name == split]
    if not rows:
        found = ", ".join(sorted(set(jobs["split"])))
        raise InputError(f"no job has split {split!r}, only {found}; give more jobs or another seed")
    return jobs.select(rows)


def hold_out(jobs: Dataset, every: int = 4) -> tuple[Dataset, Dataset]:
    """The ads to train on, and those to judge while training: the validation ads and every fourth training ad.

    Validation ads alone are few, and may be of one kind; they would tell when to stop for that kind only.

    Raises:
        InputError: there are no training or validation ads, or fewer than `every` to train on.
    """
    training, validation = select_split(jobs, "train"), select_split(jobs, "validation")
    if len(training) < every:
        raise InputError(f"{len(training)} training ads are too few to hold out one in {every}; give more ads")
    rows = range(len(training))
    looked_at = concatenate_datasets([validation, training.select(rows[::every])])
    return training.select([row for row in rows if row % every]), looked_at


def spread_rows(total: int, most: int) -> np.ndarray:
    """At most `most` of `total` rows, evenly spaced from the first to the last, int [rows]; all of them for 0."""
    return np.linspace(0, total - 1, min(most or total, total)).round().astype(int)


def _require_file(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: no such file; run notebook 01_data_prep first, or `autorefine reproduce`")
    return path


def describe_jobs(jobs: Dataset) -> pd.DataFrame:
    """Ads by split: number, occupations, median words, and mean listed phrases of each coding an ad."""
    df = jobs.to_pandas()
    phrases = pd.DataFrame([wording.coded_count(text) for text in df["text"]], index=df.index).add_suffix("_phrases")
    df = df.assign(words=df["text"].str.split().str.len()).join(phrases)
    how = {"job_id": "size", "occupation": "nunique", "words": "median"} | dict.fromkeys(phrases, "mean")
    names = {"job_id": "ads", "occupation": "occupations", "words": "median_words"}
    table = df.groupby("split").agg(how).rename(columns=names)
    return table.reindex([split for split in schema.SPLITS if split in table.index])


def describe_candidates(candidates: Dataset, attribute: str = "gender") -> pd.DataFrame:
    """Candidates by occupation and group of `attribute`: counts, and the share of each group."""
    df = candidates.to_pandas()
    counts = pd.crosstab(df["occupation"], df[attribute])
    return counts.join(counts.div(counts.sum(axis=1), axis=0).add_prefix("share_"))
