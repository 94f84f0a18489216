"""Where jobs and candidates come from: the embedded synthetic corpus, the Hugging Face Hub, or local files."""

import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset, DownloadConfig, load_dataset

from autorefine_lib import resources
from autorefine_lib.data import corpus, read_files, schema
from autorefine_lib.errors import InputError
from autorefine_lib.text import near_duplicates

SOURCES = ("embedded", "hub", "local")
BIOS = "LabHC/bias_in_bios"
POSTS = "brusic/hacker-news-who-is-hiring-posts"
SPLIT_ENDS = {"train": 0.60, "validation": 0.75, "test": 1.0}
"""Up to which share of all hashes a split reaches."""


@dataclass(frozen=True)
class Options:
    """The options of `load`; the comment of each says which source uses it."""

    attributes: Sequence[str] = ("gender",)
    # All: the protected attributes that the candidates must have.

    seed: int = 0
    # Embedded: the seed of the corpus. Hub and local: the seed of samples and splits.

    jobs_path: Path | str = ""
    # Local: CSV, JSONL or Parquet file of ads.

    candidates_path: Path | str = ""
    # Local: CSV, JSONL or Parquet file of candidates.

    rename_columns: Sequence[str] = ()
    # Local: "ours=theirs", for instance "text=description", as `read_files.read_tables` takes them.

    rename_values: Sequence[str] = ()
    # Local: "column:theirs=ours", for instance "gender:0=male".

    exclude_jobs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # Hub and local: leave out ads by the value of a column, for instance {"source": ["onet_descriptions"]}.

    min_group: int = 2
    # All: the fewest candidates of each group in the pool.

    hub_dir: Path | str = ""
    # Hub: folder with copies of the two data sets, one folder each under the data set's own name. "": download them.

    occupations: int = 0
    # All: keep the ads of at most this many occupations, evenly spaced by name; 0 keeps all. The pool stays whole.

    jobs_per_occupation: int = 0
    # All: keep at most this many ads of an occupation in each split, chosen by `seed`; 0 keeps all.

    candidates_per_occupation: int = 0
    # All: keep at most this many candidates of an occupation, chosen by `seed`; 0 keeps all.


@dataclass(frozen=True)
class Loaded:
    """Checked jobs and candidates, and how many ads were left out for each reason."""

    jobs: Dataset
    candidates: Dataset
    dropped: dict[str, int]


def load(source: str = "embedded", **options: Any) -> Loaded:
    """Load and check jobs and candidates.

    Args:
        source: "embedded" (synthetic), "hub" or "local".
        options: the fields of `Options`.

    Raises:
        InputError: an unknown source, an unreachable Hub, a missing file, or data against the schema.
    """
    chosen = Options(**options)
    if source not in SOURCES:
        raise InputError(f"source={source!r} is not one of {', '.join(SOURCES)}")
    if source == "embedded":
        config = corpus.CorpusConfig(seed=chosen.seed)
        jobs, candidates = corpus.make_jobs(config), corpus.make_candidates(config)
        origins = ("embedded jobs", "embedded candidates")
    elif source == "hub":
        jobs, origins = _read_hub_jobs(chosen.hub_dir), (POSTS, BIOS)
        candidates = read_files.name_bias_in_bios(_read_hub(BIOS, chosen.hub_dir), BIOS)
    else:
        jobs, candidates, origins = _read_local(chosen)
    return _select(jobs, candidates, origins, chosen)


def _select(jobs: pd.DataFrame, candidates: pd.DataFrame, origins: tuple[str, str], chosen: Options) -> Loaded:
    """Check both tables, split the ads and leave out what the options say."""
    of_jobs, of_candidates = origins
    dropped: dict[str, int] = {}

    def leave_out(reason: str, unwanted: pd.Series) -> pd.DataFrame:
        dropped[reason] = int(unwanted.sum())
        return jobs[~unwanted]

    schema.require_columns(jobs, [*(c for c in schema.JOB_COLUMNS if c != "split"), *chosen.exclude_jobs], of_jobs)
    for column, values in chosen.exclude_jobs.items():
        jobs = leave_out(f"ads whose {column} is {' or '.join(map(str, values))}", jobs[column].isin(values))
    has_split = "split" in jobs.columns
    # Where there is none yet, the check needs one for show.
    jobs = schema.check_jobs(jobs if has_split else jobs.assign(split="train"), of_jobs).to_pandas()
    if not has_split:
        copies = jobs["text"].map(near_duplicates.normalize).duplicated()
        jobs = leave_out("ads that repeat another word for word", copies)
        jobs = jobs.assign(split=split_by_group(jobs, chosen.seed))
    candidates = schema.check_candidates(candidates, of_candidates, chosen.attributes).to_pandas()
    if chosen.occupations:
        names = np.unique(jobs["occupation"].dropna())
        rows = np.linspace(0, len(names) - 1, min(chosen.occupations, len(names))).round().astype(int)
        jobs = jobs[jobs["occupation"].isin(names[rows])]
    jobs = _limit(jobs, ["split", "occupation"], chosen.jobs_per_occupation, chosen.seed)
    candidates = _limit(candidates, ["occupation"], chosen.candidates_per_occupation, chosen.seed)
    checked, people = (Dataset.from_pandas(table, preserve_index=False) for table in (jobs, candidates))
    for attribute in chosen.attributes:
        schema.check_match(checked, people, attribute, chosen.min_group)
    return Loaded(checked, people, dropped)


def _limit(df: pd.DataFrame, by: list[str], most: int, seed: int) -> pd.DataFrame:
    """At most `most` rows of each group of `by`, drawn by `seed`; all of them for 0. No occupation is a group too."""
    if not most:
        return df
    return df.sample(frac=1.0, random_state=seed).groupby(by, sort=False, dropna=False).head(most).sort_index()


def split_by_group(jobs: pd.DataFrame, seed: int = 0) -> list[str]:
    """A split for each ad (train 60, validation 15, test 25 %) by a hash of its company or its near-duplicates.

    Ads of one company share a split where the file has a column `company`; elsewhere ads that are nearly the same do.
    The split depends on the texts and the seed only, not on the order of the rows.
    """
    texts = pd.Series([near_duplicates.normalize(text) for text in jobs["text"]], index=jobs.index)
    # The smallest text of a group is its name, so that its split does not depend on the order of the file.
    names = texts.groupby(near_duplicates.group_texts(list(texts))).transform("min")
    if "company" in jobs.columns:
        # Near-duplicates of several companies would join them all, so the company decides where it is known.
        company = jobs["company"].map(lambda name: name.strip().lower() if isinstance(name, str) else "")
        names = company.where(company != "", names)
    shares = [int(hashlib.sha256(f"{seed} {name}".encode()).hexdigest()[:12], 16) / 16**12 for name in names]
    return [next(split for split, end in SPLIT_ENDS.items() if share < end) for share in shares]


def _read_local(chosen: Options) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, str]]:
    for name in ("jobs_path", "candidates_path"):
        if not getattr(chosen, name):
            raise InputError(
                f"source='local' needs {name}, a .csv, .jsonl or .parquet file; on the command line: "
                "--set jobs_file=ads.csv --set candidates_file=people.csv"
            )
    paths = Path(chosen.jobs_path), Path(chosen.candidates_path)
    jobs, candidates = read_files.read_tables(paths, chosen.rename_columns, chosen.rename_values)
    return jobs, candidates, (str(chosen.jobs_path), str(chosen.candidates_path))


def _read_hub(name: str, hub_dir: Path | str) -> pd.DataFrame:
    """All splits of a Hub data set, from the Hub or from a folder of its files, one after the other."""
    place = Path(hub_dir) / name.split("/")[1] if hub_dir else None
    if place and not place.is_dir():
        raise InputError(f"hub_dir: no folder {place}; put the files of https://huggingface.co/datasets/{name} there")
    try:
        splits = load_dataset(str(place) if place else name, download_config=DownloadConfig(max_retries=1))
    except Exception as error:  # the Hub's errors are of many kinds, of httpx, huggingface_hub, datasets and pyarrow
        if isinstance(error, MemoryError) or "Errno 28" in str(error):
            raise
        raise InputError(
            f"{place or name} cannot be loaded ({type(error).__name__}); on a machine with a network run "
            f"`hf download {name} --repo-type dataset --local-dir DIR/{name.split('/')[1]}`, then set hub_dir to DIR"
        ) from error
    return pd.concat([split.to_pandas() for split in splits.values()], ignore_index=True)


def _read_hub_jobs(hub_dir: Path | str) -> pd.DataFrame:
    """Hacker News "Who is hiring?": one row a month, its `comments` a list of {id, by, text}, texts in HTML.

    The first line of a post ("Company | Role | Place") is its title; the occupation is read off it, and is
    empty where nothing matches.
    """
    threads = _read_hub(POSTS, hub_dir)
    schema.require_columns(threads, ["comments"], POSTS)
    posts = [post for comments in threads["comments"] if comments is not None for post in comments]
    texts = [strip_markup(post["text"]) for post in posts if post["text"]]
    ids = [str(post["id"]) for post in posts if post["text"]]
    jobs = pd.DataFrame({"job_id": ids, "text": texts}).drop_duplicates("job_id")
    jobs = jobs[jobs["text"].str.len() > 0]
    title = jobs["text"].str.split("\n", n=1).str[0].str[:200]
    return jobs.assign(title=title, occupation=title.map(find_occupation), company=title.str.split("|", n=1).str[0])


def strip_markup(markup: str) -> str:
    """Hacker News HTML as text: paragraphs become blank lines, other tags go, entities are resolved."""
    text = re.sub(r"<p>|<br\s*/?>", "\n\n", markup)
    return html.unescape(re.sub(r"</?[a-zA-Z][^>]*>", "", text)).strip()


def find_occupation(title: str) -> str | None:
    """The occupation of Bias in Bios that a job title names, or None; the first match in the order of the resource."""
    patterns = {name: rf"\b(?:{'|'.join(words)})s?\b" for name, words in resources.load("title_words").items()}
    return next((name for name, pattern in patterns.items() if re.search(pattern, title, re.IGNORECASE)), None)
