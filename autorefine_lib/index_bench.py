"""What a search costs against the size of the pool: random unit vectors, a batch of ads, the best 20 of each.

Random vectors serve for exact search, whose time hardly depends on what the vectors are. They are the worst case of an
inverted file, which lives on clusters, so FAISS is measured on vectors around centres, and says so.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from autorefine_lib import cost_figures, figures, provenance
from autorefine_lib.approximate_index import ApproximateIndex, share_found
from autorefine_lib.errors import InputError
from autorefine_lib.files import write_csv
from autorefine_lib.vector_index import ExactIndex, has_bfloat16

DIMENSION, ADS, K = 384, 64, 20
COMMAND = "autorefine bench index"
_CENTRES, _SPREAD = 1000, 0.5
"""Of the clustered vectors: how many centres of norm 1, and the norm of what is added to one of them."""
_LARGEST_FAISS = 100_000  # its centroids take minutes to train beyond


def measure(largest: int = 1_000_000, repeats: int = 5, out: Path | None = None) -> dict:
    """Measure pools of 1,000 vectors, ten times as many and so on up to `largest`.

    With `out` the rows go there as index_cost.csv and are drawn as index_cost.png and .pdf.

    Returns:
        `pools`: a row a pool and method, with build_seconds, batch_seconds (median of `repeats` batches after one),
        recall against float32 products, index_mib (held in memory) and vectors_mib (the float32 file or array).
        `limit_seconds`: what the products of the largest pool would take at the speed of one large matrix product.

    Raises:
        InputError: largest below 1,000, or repeats below 1.
    """
    if largest < 1000 or repeats < 1:
        raise InputError(f"a pool of {largest:,} vectors and {repeats} repeats: at least 1,000 and 1")
    rows = []
    for size in sorted({10**power for power in range(3, 7) if 10**power < largest} | {largest}):
        rows += _exact(size, repeats)
        if size <= _LARGEST_FAISS:
            rows.append(_faiss(size, repeats))
    rate = _operations_per_second()
    about = {"command": COMMAND, "commit": provenance.commit(), "device": provenance.device()}
    table = pd.DataFrame(rows).assign(**about)
    if out is not None:
        write_csv(Path(out) / "index_cost.csv", table)
        figures.save(
            cost_figures.cost_by_pool(table, f"{ADS} ads, best {K}: cost against the pool"), Path(out) / "index_cost"
        )
    limit = 2 * ADS * DIMENSION * largest / rate
    return {
        "ads": ADS,
        "dimension": DIMENSION,
        "k": K,
        "pools": rows,
        "operations_per_second": rate,
        "limit_seconds": limit,
    }


def _exact(size: int, repeats: int) -> list[dict]:
    vectors, queries = _random(size)
    # The reference is another way to the same products: all scores of one block, sorted.
    expected = _plain(vectors, queries)
    found = []
    for precision in ("float32", "bfloat16") if has_bfloat16(torch.device("cpu")) else ("float32",):
        seconds, index = _timed(lambda precision=precision: ExactIndex(vectors, precision))
        found.append(
            {
                "method": f"exact, {precision} first",
                "vectors": "random",
                "pool": size,
                "build_seconds": round(seconds, 4),
                "batch_seconds": round(_median(lambda index=index: index.search(queries, K), repeats), 5),
                "recall": share_found(index.search(queries, K)[1], expected),
                "index_mib": round(index.bytes / 2**20, 1),
                "vectors_mib": round(vectors.nbytes / 2**20, 1),
            }
        )
    return found


def _faiss(size: int, repeats: int) -> dict:
    # Recall is tuned on half of the queries and reported for the other half.
    vectors, queries = _random(size, 2 * ADS, centres=min(_CENTRES, size // 20))
    sample, queries = queries[ADS:], queries[:ADS]
    seconds, index = _timed(lambda: ApproximateIndex(vectors, k=K, queries=sample))
    return {
        "method": "FAISS, float32 after",
        "vectors": "clustered",
        "pool": size,
        "build_seconds": round(seconds, 4),
        "batch_seconds": round(_median(lambda: index.search(queries, K), repeats), 5),
        "recall": share_found(index.search(queries, K)[1], _plain(vectors, queries)),
        "index_mib": round(index.bytes / 2**20, 1),
        "vectors_mib": round(vectors.nbytes / 2**20, 1),
    }


def _random(size: int, asked: int = ADS, centres: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors, all directions alike or around centres, and queries of the same kind."""
    rng = np.random.default_rng(0)
    everything = rng.standard_normal((size + asked, DIMENSION), dtype=np.float32)
    if centres:
        middle = rng.standard_normal((centres, DIMENSION), dtype=np.float32)
        everything = _SPREAD * everything + middle[rng.integers(centres, size=len(everything))]
    everything /= np.linalg.norm(everything, axis=1, keepdims=True)
    return everything[:size], everything[size:]


def _plain(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    rows = [np.zeros((len(queries), 0), np.int64)]
    scores = [np.zeros((len(queries), 0), np.float32)]
    for start in range(0, len(vectors), 65_536):
        product = queries @ vectors[start : start + 65_536].T
        best = np.argpartition(-product, min(K, product.shape[1]) - 1, axis=1)[:, :K]
        rows.append(best + start)
        scores.append(np.take_along_axis(product, best, 1))
    order = np.argsort(-np.concatenate(scores, 1), axis=1)[:, :K]
    return np.take_along_axis(np.concatenate(rows, 1), order, 1)


def _operations_per_second() -> float:
    """Of a matrix product of the shape that a block of the search has, in the fastest type here; the best of 20."""
    kind = torch.bfloat16 if has_bfloat16(torch.device("cpu")) else torch.float32
    left, right = torch.randn(8192, DIMENSION).to(kind), torch.randn(DIMENSION, ADS).to(kind)
    left @ right
    best = min(_timed(lambda: left @ right)[0] for _ in range(20))
    return 2 * ADS * DIMENSION * 8192 / best


def _timed(work: Callable) -> tuple[float, object]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _median(work: Callable, repeats: int) -> float:
    work()
    return statistics.median(_timed(work)[0] for _ in range(repeats))
