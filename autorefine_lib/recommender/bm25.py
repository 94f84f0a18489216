"""The lexical recommender: BM25 over the words of the candidates' texts, without any embedding."""

import bm25s
import numpy as np
from datasets import Dataset

from autorefine_lib.errors import InputError


class BM25Recommender:
    """Ranks candidates by BM25 (Robertson and Zaragoza, 2009, section 3; Lucene's variant, with no negative idf).

    Words are lower-cased runs of at least two letters or digits, without English stop words and without stemming
    (bm25s's defaults, as are k1 = 1.5 and b = 0.75). A word that occurs n times in the ad counts n times. Candidates
    that share no word with the ad score 0 and are tied.
    """

    def __init__(self) -> None:
        self._index: bm25s.BM25 | None = None
        self._candidates = 0

    def fit(self, candidates: Dataset) -> "BM25Recommender":
        """Index the `text` column.

        Raises:
            InputError: no candidate has a word that counts.
        """
        texts = list(candidates["text"])
        words = _split_words(texts)
        if not any(words):
            raise InputError(f"none of the {len(texts)} candidates' texts has a word to index; check the column 'text'")
        self._index = bm25s.BM25(method="lucene")
        self._index.index(words, show_progress=False)
        self._candidates = len(texts)
        return self

    def rank(self, ads: list[str]) -> np.ndarray:
        """BM25 of every ad with every candidate, float32 [ads, candidates]. An ad without a known word scores 0.

        Raises:
            InputError: it is called before `fit`.
        """
        if self._index is None:
            raise InputError("the recommender has no candidates yet; call fit(candidates) before rank(ads)")
        scores = np.zeros((len(ads), self._candidates), np.float32)
        for row, words in enumerate(_split_words(ads)):
            known = [word for word in words if word in self._index.vocab_dict]
            if known:
                scores[row] = self._index.get_scores(known)
        return scores


def _split_words(texts: list[str]) -> list[list[str]]:
    return bm25s.tokenize(list(texts), return_ids=False, show_progress=False) if len(texts) else []
