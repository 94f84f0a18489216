"""The judge of a run: it ranks the candidates for ads and measures groups and quality of the ranking.

The reward asks the judge of the training ads, and the tables that of the test ads.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.data import data_prep
from autorefine_lib.metrics import ranking, top_k
from autorefine_lib.recommender.dense import DenseRecommender
from autorefine_lib.text.protected import protected_words


@dataclass
class Judge:
    """The fixed yardstick of a run: test jobs, candidate pool, recommender, attribute and k."""

    recommender: DenseRecommender
    """Ranks the candidates for each ad."""
    jobs: Dataset
    """The jobs of one split."""
    candidates: Dataset
    """The whole pool: all of them compete for a job, in the reward and in the headline."""
    attribute: str
    """Column of the candidates that names the groups. The reward alone also takes several, for their intersections."""
    k: int
    """How many candidates a job selects."""

    def evenly(self, number: int) -> "Judge":
        """The same yardstick with at most `number` of its jobs, evenly spaced: files come sorted, by occupation say."""
        return replace(self, jobs=self.jobs.select(data_prep.spread_rows(len(self.jobs), number)))

    def among(self, rows: np.ndarray, k: int) -> "Judge":
        """The same yardstick with some of the candidates alone, by row: they compete for `k` places."""
        own: Any = SimpleNamespace(rank=lambda ads: self.recommender.rank(ads)[:, rows], embed=self.recommender.embed)
        return replace(self, recommender=own, candidates=self.candidates.select(rows), k=k)

    def count(self, texts: list[str]) -> pd.DataFrame:
        """Rank for `texts`, one per job, and count the selected of each group: `ranking.per_job`."""
        return ranking.per_job(self.recommender.rank(texts), self.jobs, self.candidates, self.attribute, self.k)

    def measure(self, texts: list[str]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Rank for `texts`, one per job; returns `ranking.per_job`, the quality table and `top_k.find_selected`.

        Quality has one row a job: job_id; mrr, ndcg, recall and precision; overlap and ndcg_to_original, which compare
        the ranking with that of the original ad (`top_k`); similarity, the cosine between rewritten and original ad;
        protected, how many words naming a protected attribute the rewrite brings in that its original does not have;
        and changed, whether the text is another.
        """
        originals = list(self.jobs["text"])
        scores, before = self.recommender.rank(texts), self.recommender.rank(originals)
        groups = ranking.per_job(scores, self.jobs, self.candidates, self.attribute, self.k)
        quality = ranking.ranking_quality(scores, self.jobs, self.candidates, self.k)
        quality["overlap"] = top_k.overlap(scores, before, self.k)
        quality["ndcg_to_original"] = top_k.ndcg_to_original(scores, before, self.k)
        new, old = self.recommender.embed(texts), self.recommender.embed(originals)
        quality["similarity"] = np.einsum("ij,ij->i", new, old)
        pairs = list(zip(texts, originals, strict=True))
        quality["protected"] = [len(protected_words(text) - protected_words(original)) for text, original in pairs]
        quality["changed"] = [text != original for text, original in pairs]
        return groups, quality, top_k.find_selected(scores, self.jobs, self.candidates, self.attribute, self.k)


def load_judge(run_dir: Path | str, model: str, attribute: str, k: int, split: str = "test") -> Judge:
    """The judge of a run: its data from notebook 01, `model` as recommender, embeddings cached in the run.

    The first call for a run embeds the ads of all splits, which every notebook compares its rewrites with.
    """
    artefacts = Path(run_dir) / "artefacts"
    jobs, candidates = data_prep.read_data(artefacts / "data")
    recommender = DenseRecommender(model, cache_dir=artefacts / "embeddings").fit(candidates)
    recommender.keep_queries(list(jobs["text"]))
    return Judge(recommender, data_prep.select_split(jobs, split), candidates, attribute, k)
