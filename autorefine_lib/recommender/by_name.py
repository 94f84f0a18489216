"""Recommenders by name: one word on the command line or in a notebook's parameters gives a `fit` and a `rank`.

Each has `fit(candidates) -> self` and `rank(ads) -> scores`, float [ads, candidates], higher is better, in the order of
the fitted candidates. Their scores differ in unit (cosines, BM25 weights, reciprocal ranks): compare the rankings.
"""

from typing import Any, Protocol

import numpy as np
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.recommender.dense import DenseRecommender

NAMES = ("minilm", "wordllama", "bm25", "hybrid", "rerank:<cross-encoder>", "http(s)://...", "<embedding model>")
"""What `build` understands; the last is any sentence-transformers model by folder or Hub name."""


class Recommender(Protocol):
    """What `build` returns."""

    def fit(self, candidates: Dataset) -> "Recommender": ...

    def rank(self, ads: list[str]) -> np.ndarray: ...


def build(name: str, **options: Any) -> Recommender:
    """The recommender called `name`; `options` go to its constructor (for "hybrid": to its dense half).

    Args:
        name: "minilm" (packaged dense embeddings), "wordllama" (packaged static embeddings), "bm25" (lexical),
            "hybrid" (minilm and bm25 by reciprocal rank fusion), "rerank:NAME" (minilm, then the cross-encoder NAME,
            a folder or a Hub name), "http://..." or "https://..." (your own, see `remote.py`), or a
            sentence-transformers model by folder or Hub name.

    Raises:
        InputError: a name or option that is not understood, or a model that cannot be loaded.
    """
    from autorefine_lib.recommender.bm25 import BM25Recommender
    from autorefine_lib.recommender.hybrid import HybridRecommender
    from autorefine_lib.recommender.remote import RemoteRecommender
    from autorefine_lib.recommender.reranker import RerankRecommender

    if not isinstance(name, str) or not name.strip():
        raise InputError(f"recommender {name!r} is not a name; allowed: {', '.join(NAMES)}")
    kind, _, rest = name.partition(":")
    try:
        if kind in ("http", "https"):
            return RemoteRecommender(name, **options)
        if kind == "rerank":
            return RerankRecommender(rest, **options)
        if name == "bm25":
            return BM25Recommender(**options)
        if name == "hybrid":
            return HybridRecommender([DenseRecommender(**options), BM25Recommender()])
        return DenseRecommender(name, **options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        reason = str(error).split("() ")[-1]
        raise InputError(f"recommender {name!r}: {reason}; see its class for what it takes") from None
