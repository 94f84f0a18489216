"""Measure one method's ads and keep every per-job number on disk, so that tables and intervals are made from files."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import Dataset, concatenate_datasets

from autorefine_lib import data_prep, metrics
from autorefine_lib.errors import InputError
from autorefine_lib.files import write_atomic, write_json
from autorefine_lib.protected import protected_words
from autorefine_lib.recommender import DenseRecommender


def evenly(total: int, most: int) -> np.ndarray:
    """At most `most` of `total` rows, evenly spaced from the first to the last, int [rows]; all of them for 0."""
    return np.linspace(0, total - 1, min(most or total, total)).round().astype(int)


@dataclass
class Evaluator:
    """The fixed yardstick of a run: test jobs, candidate pool, recommender, attribute and k."""

    recommender: DenseRecommender
    """Ranks the candidates for each ad."""
    jobs: Dataset
    """The jobs of one split."""
    candidates: Dataset
    """The whole pool."""
    attribute: str
    """Column of the candidates that names the groups."""
    k: int
    """How many candidates a job selects."""

    def evenly(self, number: int) -> "Evaluator":
        """The same yardstick with at most `number` of its jobs, evenly spaced: files come sorted, by occupation say."""
        return replace(self, jobs=self.jobs.select(evenly(len(self.jobs), number)))

    def measure(self, texts: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Rank for `texts`, one per job; returns the groups of `metrics.per_job` and the quality table.

        Quality has one row a job: job_id; mrr, ndcg, recall and precision; similarity, the cosine between rewritten and
        original ad; protected, the words naming a protected attribute that the rewrite brings in and its original does
        not have, separated by spaces; and changed, whether the text is another.
        """
        scores = self.recommender.rank(texts)
        groups = metrics.per_job(scores, self.jobs, self.candidates, self.attribute, self.k)
        quality = metrics.ranking_quality(scores, self.jobs, self.candidates, self.k)
        originals = list(self.jobs["text"])
        new, old = self.recommender.embed(texts), self.recommender.embed(originals)
        quality["similarity"] = np.einsum("ij,ij->i", new, old)
        pairs = list(zip(texts, originals, strict=True))
        added = [protected_words(text) - protected_words(original) for text, original in pairs]
        quality["protected"] = [" ".join(sorted(words)) for words in added]
        quality["changed"] = [text != original for text, original in pairs]
        return groups, quality


def evaluator(
    run_dir: Path | str, model: str, attribute: str, k: int, split: str = "test", precision: str = "auto"
) -> Evaluator:
    """The evaluator of a run: its data from notebook 01, `model` as recommender, embeddings cached in the run.

    The first call for a run embeds the ads of all splits, which every notebook compares its rewrites with.
    """
    artefacts = Path(run_dir) / "artefacts"
    jobs, candidates = data_prep.read(artefacts / "data")
    recommender = DenseRecommender(model, cache_dir=artefacts / "embeddings", precision=precision).fit(candidates)
    recommender.keep(list(jobs["text"]))
    return Evaluator(recommender, of_split(jobs, split), candidates, attribute, k)


def of_split(jobs: Dataset, split: str) -> Dataset:
    """The jobs of one split; InputError when there is none."""
    rows = [row for row, name in enumerate(jobs["split"]) if name == split]
    if not rows:
        found = ", ".join(sorted(set(jobs["split"])))
        raise InputError(f"no job has split {split!r}, only {found}; give more jobs or another seed")
    return jobs.select(rows)


def held_out(jobs: Dataset, every: int = 4) -> tuple[Dataset, Dataset]:
    """The ads to train on, and those to look at while training: the validation ads and every fourth training ad.

    Validation ads may be of one kind (the synthetic ones are of a single family of sentence patterns, on which wording
    counts for less than on the others): by themselves they would tell when to stop for that kind only.

    Raises:
        InputError: there are no training or validation ads, or fewer than `every` to train on.
    """
    training, validation = of_split(jobs, "train"), of_split(jobs, "validation")
    if len(training) < every:
        raise InputError(f"{len(training)} training ads are too few to hold out one in {every}; give more ads")
    rows = range(len(training))
    looked_at = concatenate_datasets([validation, training.select(rows[::every])])
    return training.select([row for row in rows if row % every]), looked_at


@dataclass(frozen=True)
class Method:
    """What a method did to the test ads in one run of it, job by job."""

    name: str
    """As it stands in the tables, for instance "word swap"."""
    seed: int
    """Of the method's own randomness."""
    seconds: float
    """To make the rewrites, training included."""
    reward_calls: int
    """Rewrites that the reward scored on the way; 0 for methods that never look at the ranking."""
    texts: list[str]
    """The ads as they would be deployed."""
    groups: pd.DataFrame
    """From `metrics.per_job`."""
    quality: pd.DataFrame
    """job_id, mrr, ndcg, similarity, protected, changed."""


def save(run_dir: Path | str, method: Method) -> Path:
    """Write one method's texts and per-job numbers under `<run>/artefacts/methods/`."""
    folder = _folder(run_dir, method.name, method.seed)
    ads = pd.DataFrame({"job_id": method.quality["job_id"], "text": method.texts})
    for name, table in (("ads", ads), ("groups", method.groups), ("quality", method.quality)):
        write_atomic(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
    facts = {"name": method.name, "seed": method.seed, "seconds": method.seconds, "reward_calls": method.reward_calls}
    write_json(folder / "method.json", facts)
    return folder


def load(run_dir: Path | str, name: str, seed: int = 0) -> Method:
    """What `save` wrote; InputError when it is not there."""
    folder = _folder(run_dir, name, seed)
    if not (folder / "method.json").is_file():
        raise InputError(f"{folder}: no method {name!r} with seed {seed}; run the notebook that makes it first")
    ads, groups, quality = (pd.read_parquet(folder / f"{part}.parquet") for part in ("ads", "groups", "quality"))
    facts = json.loads((folder / "method.json").read_text("utf-8"))
    return Method(**facts, texts=list(ads["text"]), groups=groups, quality=quality)


def saved(run_dir: Path | str) -> dict[str, list[int]]:
    """The methods that were saved in a run, and the seeds of each in order."""
    found: dict[str, list[int]] = {}
    for path in (Path(run_dir) / "artefacts" / "methods").glob("*/*/method.json"):
        facts = json.loads(path.read_text("utf-8"))
        found.setdefault(facts["name"], []).append(facts["seed"])
    return {name: sorted(found[name]) for name in sorted(found)}


def clear(run_dir: Path | str, *names: str) -> None:
    """Remove what earlier runs of these methods saved, so that no seed of theirs stays beside the new ones."""
    for name in names:
        shutil.rmtree(_folder(run_dir, name, 0).parent, ignore_errors=True)


def run(
    run_dir: Path | str,
    judge: Evaluator,
    name: str,
    rewrite: Callable[[list[str]], list[str]],
    seed: int = 0,
    seconds: float = 0.0,
    reward_calls: int = 0,
) -> Method:
    """Time `rewrite(ads) -> texts`, measure what it made of the judge's ads, and save it.

    `seconds` and `reward_calls` are what was spent before, in training.
    """
    began = time.perf_counter()
    texts = rewrite(list(judge.jobs["text"]))
    seconds += time.perf_counter() - began
    judge.recommender.keep(texts)  # Later notebooks rank for them again.
    groups, quality = judge.measure(texts)
    method = Method(name, seed, seconds, reward_calls, texts, groups, quality)
    save(run_dir, method)
    return method


def _folder(run_dir: Path | str, name: str, seed: int) -> Path:
    return Path(run_dir) / "artefacts" / "methods" / name.replace(" ", "_") / f"seed-{seed}"
