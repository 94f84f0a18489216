"""Notebook 01: load the jobs and candidates, check them, describe them, and save them for the notebooks after it."""

from functools import partial
from pathlib import Path

import pandas as pd
from datasets import Dataset

from autorefine_lib import lexicon, sources
from autorefine_lib.errors import InputError
from autorefine_lib.files import write_atomic

NAMES = ("jobs", "candidates")


def prepare(data_dir: Path, source: str = "embedded", **options) -> sources.Loaded:
    """Load a source, check it, and save it as jobs.parquet and candidates.parquet under `data_dir`, atomically.

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
    return loaded


def read(data_dir: Path) -> tuple[Dataset, Dataset]:
    """The jobs and candidates that `prepare` saved.

    Raises:
        InputError: they are not there.
    """
    paths = [Path(data_dir) / f"{name}.parquet" for name in NAMES]
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: no such file; run notebook 01_data_prep first, or `autorefine reproduce`")
    jobs, candidates = (Dataset.from_pandas(pd.read_parquet(path), preserve_index=False) for path in paths)
    return jobs, candidates


def describe_jobs(jobs: Dataset) -> pd.DataFrame:
    """Ads by split: number, occupations, median words, and mean coded phrases (masculine, feminine) an ad."""
    df = jobs.to_pandas()
    coded = pd.DataFrame([lexicon.coded_count(text) for text in df["text"]], index=df.index)
    df = df.assign(words=df["text"].str.split().str.len(), **{coding: coded[coding] for coding in coded})
    table = df.groupby("split").agg(
        ads=("job_id", "size"),
        occupations=("occupation", "nunique"),
        median_words=("words", "median"),
        masculine_phrases=("masculine", "mean"),
        feminine_phrases=("feminine", "mean"),
    )
    return table.reindex([split for split in ("train", "validation", "test") if split in table.index])


def describe_candidates(candidates: Dataset, attribute: str = "gender") -> pd.DataFrame:
    """Candidates by occupation and group of `attribute`: counts, and the share of each group."""
    df = candidates.to_pandas()
    counts = pd.crosstab(df["occupation"], df[attribute])
    shares = counts.div(counts.sum(axis=1), axis=0).add_prefix("share_")
    return counts.join(shares)
