"""Search beyond the memory at hand: FAISS finds a shortlist with a byte a number, exact products put it in order.

An inverted file (Jegou, Douze and Schmid, 2011; Douze et al., 2024, "The Faiss library") sorts the vectors into lists
around centroids and reads the lists nearest a query; a scalar quantiser keeps 8 bits of each number, a quarter of
float32. How many lists must be read is measured, not guessed: sample queries are searched exactly too, and the number
doubles until the wanted recall is reached.
"""

import faiss
import numpy as np
import torch
from tqdm.auto import tqdm

from autorefine_lib.errors import InputError
from autorefine_lib.vector_index import ExactIndex, best_of, check_finite, check_queries, check_vectors

_BLOCK = 65_536  # vectors checked and added at once
_SAMPLE = 64  # queries that measure recall
_PER_LIST = 64  # training vectors a centroid: k-means of FAISS warns below 39


class ApproximateIndex:
    """Search by inner product with measured recall; the vectors themselves may lie in a memory-mapped file.

    Args:
        vectors: float32 [n, d], finite; read once to build, then only where a shortlist asks.
        recall: share of the true k best that must be found on the sample, above 0 and at most 1.
        k: for which recall is measured, at most n.
        seed: of the sample and the centroids; the same seed gives the same index.
        queries: float32 [queries, d], such as the vectors of some ads: recall is measured on them. None takes
            neighbours of stored vectors, which are easier to answer than ads.

    Raises:
        InputError: wrong vectors or queries, or recall or k out of range.
    """

    def __init__(
        self,
        vectors: np.ndarray,
        recall: float = 0.98,
        k: int = 20,
        seed: int = 0,
        queries: np.ndarray | None = None,
    ):
        self.vectors = check_vectors(vectors, "vectors")
        if not 0 < recall <= 1:
            raise InputError(f"recall={recall} is not above 0 and at most 1")
        for start in range(0, len(vectors), _BLOCK):
            check_finite(vectors[start : start + _BLOCK], start)
        count, dimension = vectors.shape
        k = min(k, count)
        lists = max(1, min(int(4 * count**0.5), count // _PER_LIST))
        rng = np.random.default_rng(seed)
        self._index = faiss.index_factory(dimension, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
        self._index.cp.seed, self._index.cp.min_points_per_centroid = seed, 1
        trained = np.sort(rng.choice(count, min(count, _PER_LIST * lists), replace=False))
        self._index.train(np.ascontiguousarray(vectors[trained]))
        for start in tqdm(range(0, count, _BLOCK), desc="Building the index", unit="block", disable=count < 4 * _BLOCK):
            self._index.add(np.ascontiguousarray(vectors[start : start + _BLOCK]))
        if queries is None:
            # Not the stored vectors themselves, each of which would find itself.
            sample = vectors[np.sort(rng.choice(count, min(count, _SAMPLE), replace=False))]
            queries = sample + rng.standard_normal(sample.shape, dtype=np.float32) * (0.5 / dimension**0.5)
        expected = ExactIndex(vectors, "float32").search(queries, k)[1]
        self._index.nprobe, self.recall = 1, 0.0
        while True:
            found = self.search(queries, k)[1]
            self.recall = share_found(found, expected)
            if self.recall >= recall or self._index.nprobe == lists:
                break
            self._index.nprobe = min(lists, 2 * self._index.nprobe)

    @property
    def probes(self) -> int:
        """Lists that a query reads."""
        return self._index.nprobe

    @property
    def bytes(self) -> int:
        """Memory that the index holds besides `vectors`: codes, row numbers and centroids."""
        count, dimension = self.vectors.shape
        return count * (dimension + 8) + self._index.nlist * dimension * 4

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k largest inner products of each query, as far as they are found.

        Returns:
            Scores, float32 [queries, k], best first and exact for the rows found, and rows of `vectors`, int64
            [queries, k].

        Raises:
            InputError: queries of another shape, not finite, or k not between 1 and the number of vectors.
        """
        queries = check_queries(self.vectors, queries, k)
        scores, rows = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        if not len(queries):
            return scores, rows
        # 8 bits misplace close neighbours: more than k are taken and put in order by float32.
        wanted = min(len(self.vectors), 4 * k + 16)
        shortlists = self._index.search(np.ascontiguousarray(queries), wanted)[1]
        for number, shortlist in enumerate(shortlists):
            found = np.sort(shortlist[shortlist >= 0])
            if len(found) < k:  # The lists that were read hold fewer than k: read them all for this query.
                everything = faiss.SearchParametersIVF(nprobe=self._index.nlist)
                found = np.sort(self._index.search(queries[number : number + 1], wanted, params=everything)[1][0])
            scores[number], rows[number] = best_of(self.vectors, torch.from_numpy(np.array(queries[number])), found, k)
        return scores, rows


def share_found(found: np.ndarray, expected: np.ndarray) -> float:
    """Recall: share of the rows of `expected`, int [queries, k], that are among those of `found`."""
    return float(np.mean([np.isin(right, left).mean() for left, right in zip(found, expected, strict=True)]))
