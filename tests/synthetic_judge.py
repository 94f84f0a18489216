"""Synthetic ads, their candidates and the packaged static embeddings as recommender: a judge built in a second."""

from functools import cache

from datasets import Dataset

from autorefine_lib.data import corpus
from autorefine_lib.recommender.dense import DenseRecommender
from autorefine_lib.reward.judge import Judge


@cache
def judge(split: str, every: int) -> Judge:
    """Every so-manyth ad of a split, 60 candidates of each occupation, k = 10."""
    jobs = corpus.make_jobs()
    jobs = jobs[jobs["split"] == split].iloc[::every]
    candidates = Dataset.from_pandas(
        corpus.make_candidates(corpus.CorpusConfig(candidates_per_occupation=60)), preserve_index=False
    )
    recommender = DenseRecommender("wordllama").fit(candidates)
    return Judge(recommender, Dataset.from_pandas(jobs, preserve_index=False), candidates, "gender", 10)
