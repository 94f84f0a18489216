"""Recommenders by name: one word on the command line or in the parameters of a notebook gives a recommender.

Each has `fit(candidates) -> self` and `rank(ads) -> scores`, float [ads, candidates], higher is better, in the order of
the fitted candidates. The scores of two recommenders differ in unit (cosines, BM25 weights, reciprocal ranks), so
compare their rankings.
"""

from typing import Protocol

import numpy as np
from datasets import Dataset

from autorefine_lib.recommender import bm25, dense, hybrid, remote


class Recommender(Protocol):
    """What every recommender can do; your own fits in if it has these two methods."""

    def fit(self, candidates: Dataset) -> "Recommender":
        """Take in the pool of candidates, with the column `text` or `candidate_id`."""

    def rank(self, ads: list[str]) -> np.ndarray:
        """Scores, float [ads, candidates], higher is better."""


def build_recommender(name: str, long_texts: str = "cut") -> Recommender:
    """The recommender called `name`, with default options; for others call its class.

    Args:
        name: "minilm" (all-MiniLM-L6-v2, packaged; it gives the reward), "paraphrase-minilm" (paraphrase-MiniLM-L3-v2,
            packaged) and "bm25" (lexical), which only judge, "wordllama" (packaged static embeddings, which the guards
            use), "hybrid" (minilm and bm25 by reciprocal rank fusion), "http://..." or "https://..." (your own
            service, see `remote.py`), or a sentence-transformers model by folder or Hub name.
        long_texts: what an embedding model reads of them (`long_texts.HANDLING`); BM25 reads all.

    Raises:
        InputError: an address is wrong, a model cannot be loaded, or `long_texts` is unknown.
    """
    if name.startswith(("http:", "https:")):
        return remote.RemoteRecommender(name)
    if name == "bm25":
        return bm25.BM25Recommender()
    if name == "hybrid":
        return hybrid.HybridRecommender([dense.DenseRecommender(long_texts=long_texts), bm25.BM25Recommender()])
    return dense.DenseRecommender(name, long_texts=long_texts)
