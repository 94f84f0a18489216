"""Where jobs and candidates come from: the embedded synthetic corpus, the Hugging Face Hub, or local files."""

import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pandas as pd
from datasets import Dataset, DownloadConfig, load_dataset

from autorefine_lib import resources
from autorefine_lib.data import corpus, schema
from autorefine_lib.data.read_files import read_table
from autorefine_lib.errors import InputError
from autorefine_lib.text import near_duplicates

SOURCES = ("embedded", "hub", "local")
BIOS = "LabHC/bias_in_bios"
POSTS = "brusic/hacker-news-who-is-hiring-posts"
SPLIT_SHARES = {"train": 0.60, "validation": 0.15, "test": 0.25}


@dataclass(frozen=True)
class Options:
    """What the sources can be told; each says which source it belongs to."""

    attributes: Sequence[str] = ("gender",)
    # All: the protected attributes that the candidates must have.

    seed: int = 0
    # All: embedded, the corpus seed; hub and local, the seed of samples and splits.

    jobs_path: Path | str | None = None
    # Local: CSV, JSONL or Parquet file of ads.

    candidates_path: Path | str | None = None
    # Local: CSV, JSONL or Parquet file of candidates.

    job_columns: Mapping[str, str] = field(default_factory=dict)
    # Local: our column name -> the file's, for instance {"text": "description"}.

    candidate_columns: Mapping[str, str] = field(default_factory=dict)
    # Local: the same for candidates.

    exclude_jobs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # Hub and local: leave out ads by the value of a column (counted), for instance {"source": ["onet_descriptions"]}.

    drop_unlabelled: bool = False
    # Hub and local: drop ads without an occupation (counted) instead of raising.

    drop_unmatched: bool = False
    # Hub and local: drop ads whose occupation has fewer than `min_group` candidates of a group (counted).

    min_group: int = 2
    # All: the fewest candidates of each group in the pool and, for hub and local, in each occupation of an ad.

    hub_dir: Path | str | None = None
    # Hub: folder with copies of the two data sets, one folder each under the data set's own name.

    jobs_per_occupation: int | None = None
    # All: keep at most so many ads of an occupation in each split, chosen by `seed`.

    candidates_per_occupation: int | None = None
    # All: keep at most so many candidates of an occupation, chosen by `seed`.


@dataclass(frozen=True)
class Loaded:
    """Checked jobs and candidates, and how many rows were left out for which reason."""

    jobs: Dataset
    candidates: Dataset
    dropped: dict[str, int]


def load(source: str = "embedded", **options) -> Loaded:
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
        jobs, candidates, origins = _hub_jobs(chosen.hub_dir), _hub_candidates(chosen.hub_dir), (POSTS, BIOS)
    else:
        jobs, candidates, origins = _local(chosen)
    return _checked(jobs, candidates, origins, chosen, split_given="split" in jobs.columns)


def _checked(jobs: pd.DataFrame, candidates: pd.DataFrame, origins, chosen: Options, split_given: bool) -> Loaded:
    dropped: dict[str, int] = {}
    schema.require_columns(jobs, [c for c in schema.JOB_COLUMNS if c != "split"], origins[0])
    for column, values in chosen.exclude_jobs.items():
        schema.require_columns(jobs, [column], origins[0])
        excluded = jobs[column].isin(values)
        dropped[f"ads whose {column} is {' or '.join(map(str, values))}"] = int(excluded.sum())
        jobs = jobs[~excluded]
    if chosen.drop_unlabelled:
        labelled = jobs["occupation"].notna()
        dropped["ads without an occupation"] = int((~labelled).sum())
        jobs = jobs[labelled]
    if not split_given:
        # Checked first with a stand-in split, so that a blank text gets its own message.
        schema.check_jobs(jobs.assign(split="train"), origins[0])
        copies = jobs["text"].map(near_duplicates.normalized).duplicated()
        dropped["ads that repeat another word for word"] = int(copies.sum())
        jobs = jobs[~copies]
        jobs = jobs.assign(split=split_by_group(jobs, chosen.seed))
    checked_candidates = schema.check_candidates(candidates, origins[1], chosen.attributes)
    if chosen.drop_unmatched:
        matched = jobs["occupation"].isin(_measurable(candidates, chosen))
        dropped[f"ads of occupations with a group under {chosen.min_group} candidates"] = int((~matched).sum())
        jobs = jobs[matched]
        if jobs.empty:
            raise InputError(
                f"{origins[0]}: no ad is left whose occupation has {chosen.min_group} candidates of each group; "
                "lower min_group or bring more candidates"
            )
    jobs = _at_most(jobs, ["split", "occupation"], chosen.jobs_per_occupation, chosen.seed)
    candidates = _at_most(checked_candidates.to_pandas(), ["occupation"], chosen.candidates_per_occupation, chosen.seed)
    checked_jobs = schema.check_jobs(jobs, origins[0])
    checked_candidates = schema.check_candidates(candidates, origins[1], chosen.attributes)
    for attribute in chosen.attributes:
        schema.check_match(checked_jobs, checked_candidates, attribute, chosen.min_group)
    return Loaded(checked_jobs, checked_candidates, dropped)


def _measurable(candidates: pd.DataFrame, chosen: Options) -> set[str]:
    """Occupations in which each group of each attribute has at least `min_group` candidates."""
    kept = set(candidates["occupation"])
    for attribute in chosen.attributes:
        sizes = pd.crosstab(candidates["occupation"], candidates[attribute])
        kept &= set(sizes.index[(sizes >= chosen.min_group).all(axis=1)])
    return kept


def _at_most(df: pd.DataFrame, by: list[str], most: int | None, seed: int) -> pd.DataFrame:
    if most is None:
        return df
    kept = df.sample(frac=1.0, random_state=seed).groupby(by, sort=False).head(most)
    return kept.sort_index()


def split_by_group(jobs: pd.DataFrame, seed: int = 0) -> list[str]:
    """Train, validation and test (60, 15, 25 %) by a hash of the ad's company or of its group of near-duplicates.

    Ads of one company, where the file has a column `company`, and ads that are nearly the same, always share a
    split. The assignment depends on the texts and the seed only, not on the order of the rows.
    """
    texts = [near_duplicates.normalized(text) for text in jobs["text"]]
    group = pd.Series(near_duplicates.groups(texts), index=jobs.index)
    if "company" in jobs.columns:
        # Near-duplicates of several companies would chain them together; the company decides where it is known.
        company = jobs["company"].map(lambda name: name.strip().lower() if isinstance(name, str) else None)
        group = company.where(company.notna() & (company != ""), group)
    # A group is named by its smallest text, so that its split does not hang on the order of the file.
    names = pd.Series(texts, index=jobs.index).groupby(group.astype(str)).transform("min")
    if "company" in jobs.columns:
        names = company.where(company.notna() & (company != ""), names)
    return [_split_of(name, seed) for name in names]


def _split_of(name: str, seed: int) -> str:
    share = int(hashlib.sha256(f"{seed} {name}".encode()).hexdigest()[:12], 16) / 16**12
    for split, size in SPLIT_SHARES.items():
        if share < size:
            return split
        share -= size
    return "test"


def _local(chosen: Options) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, str]]:
    for name in ("jobs_path", "candidates_path"):
        if not getattr(chosen, name):
            raise InputError(
                f"source='local' needs {name}, a .csv, .jsonl or .parquet file; on the command line: "
                "--set jobs_file=ads.csv --set candidates_file=people.csv"
            )
    jobs = read_table(Path(chosen.jobs_path), chosen.job_columns)
    candidates = read_table(Path(chosen.candidates_path), chosen.candidate_columns)
    return jobs, candidates, (str(chosen.jobs_path), str(chosen.candidates_path))


def _from_hub(name: str, hub_dir: Path | str | None) -> pd.DataFrame:
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


def _hub_candidates(hub_dir: Path | str | None) -> pd.DataFrame:
    """Bias in Bios (De-Arteaga et al., 2019): hard_text, profession (0 to 27, alphabetical), gender (1: female)."""
    bios = _from_hub(BIOS, hub_dir)
    schema.require_columns(bios, ["hard_text", "profession", "gender"], BIOS)
    names = dict(enumerate(sorted(corpus.occupations())))
    unknown = set(bios["profession"]) - set(names) | set(bios["gender"]) - {0, 1}
    if unknown:
        raise InputError(f"{BIOS}: label {sorted(unknown)[0]!r} is not among professions 0 to 27 and genders 0 and 1")
    return pd.DataFrame(
        {
            "candidate_id": [f"bio-{i}" for i in range(len(bios))],
            "text": bios["hard_text"],
            "occupation": bios["profession"].map(names),
            "gender": bios["gender"].map({0: "male", 1: "female"}),
        }
    )


def _hub_jobs(hub_dir: Path | str | None) -> pd.DataFrame:
    """Hacker News "Who is hiring?": one row a month, its `comments` a list of {id, by, text}, texts in HTML.

    The first line of a post ("Company | Role | Place") is its title; the occupation is read off it, and is
    empty where nothing matches.
    """
    threads = _from_hub(POSTS, hub_dir)
    schema.require_columns(threads, ["comments"], POSTS)
    posts = [post for comments in threads["comments"] if comments is not None for post in comments]
    texts = [plain_text(post["text"]) for post in posts if post["text"]]
    ids = [str(post["id"]) for post in posts if post["text"]]
    jobs = pd.DataFrame({"job_id": ids, "text": texts}).drop_duplicates("job_id")
    jobs = jobs[jobs["text"].str.len() > 0]
    title = jobs["text"].str.split("\n", n=1).str[0].str[:200]
    return jobs.assign(title=title, occupation=title.map(occupation_of), company=title.str.split("|", n=1).str[0])


def plain_text(markup: str) -> str:
    """Hacker News HTML as text: paragraphs become blank lines, other tags go, entities are resolved."""
    text = re.sub(r"<p>|<br\s*/?>", "\n\n", markup)
    return html.unescape(re.sub(r"</?[a-zA-Z][^>]*>", "", text)).strip()


@cache
def _title_words() -> dict[str, re.Pattern[str]]:
    synonyms = resources.load("title_words").items()
    return {name: re.compile(rf"\b(?:{'|'.join(words)})s?\b", re.IGNORECASE) for name, words in synonyms}


def occupation_of(title: str) -> str | None:
    """The occupation of Bias in Bios that a job title names, or None; the first match in the order of the resource."""
    return next((name for name, words in _title_words().items() if words.search(title)), None)
