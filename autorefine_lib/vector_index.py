"""The k best candidates among many, exactly: a bfloat16 pass over the pool, then float32 for whoever may be among them.

A batch of q queries over n vectors of d numbers takes 2qnd operations and reads the pool once. In bfloat16 that is half
the bytes and, on a CPU with AVX512-BF16 or AMX, about four times the operations a second of float32. What bfloat16
rounds away is bounded: with q~ and x~ the rounded vectors, |q.x - q~.x~| <= |q - q~| |x~| + |q| |x - x~| (Cauchy and
Schwarz), and both differences are measured, not assumed. A vector outside the shortlist whose bound lies below the k-th
float32 score cannot be among the k best. Queries for which that cannot be shown are searched again in float32, so the
answer is always the exact one, and only the time depends on the data.
"""

import os
from typing import Protocol

import numpy as np
import torch

from autorefine_lib.errors import InputError

_BLOCK = 8192  # vectors of a block: its scores for 64 queries stay in the level-2 cache
_GROUP = 16  # neighbours that share one maximum: the shortlist is of groups, which are read as one piece
_SHORTLIST = 64  # groups at least
_SMALL = 65_536  # vectors below which float32 at once is as fast


class Index(Protocol):
    """What `open_index` returns."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]: ...


class ExactIndex:
    """Exact search by inner product over vectors in memory or in a memory-mapped file.

    Args:
        vectors: float32 [n, d], finite; a memory map stays on disk and is read where needed.
        precision: of the first pass: "bfloat16", "float32", or "auto": bfloat16 for a pool of more than 65,536 on
            hardware that has it. The answer is the same.

    Raises:
        InputError: vectors of another shape or type, none at all, or not finite.
    """

    def __init__(self, vectors: np.ndarray, precision: str = "auto"):
        if precision not in ("auto", "bfloat16", "float32"):
            raise InputError(f"precision={precision!r} is not one of auto, bfloat16, float32")
        self.vectors = check_vectors(vectors, "vectors")
        rounded = precision == "bfloat16" or (
            precision == "auto" and len(vectors) > _SMALL and has_bfloat16(torch.device("cpu"))
        )
        self._rounded: torch.Tensor | None = None
        self._norm = self._lost = 0.0
        if rounded:
            # Whole groups; the rows that fill the last one are zero and never asked for.
            size = -(-len(vectors) // _GROUP) * _GROUP
            self._rounded = torch.zeros(size, vectors.shape[1], dtype=torch.bfloat16)
        for start in range(0, len(vectors), _BLOCK):
            block = self._block(start)
            check_finite(block.numpy(), start)
            if rounded:
                low = self._rounded[start : start + len(block)].copy_(block)
                self._norm = max(self._norm, low.float().norm(dim=1).max().item())
                self._lost = max(self._lost, (block - low.float()).norm(dim=1).max().item())

    @property
    def bytes(self) -> int:
        """Memory that the index holds besides `vectors`."""
        return 0 if self._rounded is None else self._rounded.numel() * self._rounded.element_size()

    @torch.inference_mode()
    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k largest inner products of each query.

        Returns:
            Scores, float32 [queries, k], best first, and rows of `vectors`, int64 [queries, k]. Equal scores are in the
            order of the rows.

        Raises:
            InputError: queries of another shape, not finite, or k not between 1 and the number of vectors.
        """
        queries = check_queries(self.vectors, queries, k)
        asked = torch.from_numpy(np.array(queries))
        scores, rows = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        open_ = np.arange(len(queries))
        if self._rounded is not None and len(queries):
            shortlists, beyond = self._shortlists(asked, k)
            for number, (shortlist, bound) in enumerate(zip(shortlists, beyond, strict=True)):
                scores[number], rows[number] = best_of(self.vectors, asked[number], shortlist, k)
                if scores[number, -1] > bound:
                    open_[number] = -1
            open_ = open_[open_ >= 0]
        if len(open_):
            for number, shortlist in zip(open_, self._float32_shortlists(asked[open_], k), strict=True):
                scores[number], rows[number] = best_of(self.vectors, asked[number], shortlist, k)
        return scores, rows

    def _block(self, start: int) -> torch.Tensor:
        return torch.from_numpy(np.array(self.vectors[start : start + _BLOCK]))

    def _shortlists(self, queries: torch.Tensor, k: int) -> tuple[list[np.ndarray], np.ndarray]:
        """For each query the rows of its best groups, and what no row outside them exceeds."""
        low = queries.bfloat16()
        groups = len(self._rounded) // _GROUP
        maxima = torch.empty(groups, len(queries), dtype=torch.bfloat16)
        # Candidates by queries and not the other way round: the maximum over whole rows costs next to nothing.
        turned = low.T.contiguous()
        for start in range(0, len(self._rounded), _BLOCK):
            block = self._rounded[start : start + _BLOCK] @ turned
            first = start // _GROUP
            torch.amax(block.view(-1, _GROUP, len(queries)), 1, out=maxima[first : first + len(block) // _GROUP])
        # Each of the k best lies in one of the k best groups at the latest.
        wanted = min(groups, max(_SHORTLIST, 2 * k) + 1)
        best, chosen = maxima.T.float().contiguous().topk(wanted, dim=1)
        if wanted < groups:
            last = best[:, -1].double().numpy()
            chosen = chosen[:, :-1]
            lost = (queries - low.float()).norm(dim=1).double().numpy() * self._norm
            lost += queries.norm(dim=1).double().numpy() * self._lost
            # The scores themselves are rounded to 8 bits; and sums of d products in float32 to d half units.
            size = queries.norm(dim=1).double().numpy() * self._norm
            beyond = last + np.abs(last) * 2.0**-8 + lost + size * 2.0 * queries.shape[1] * 2.0**-24
        else:
            beyond = np.full(len(queries), -np.inf)
        rows = (chosen.sort(dim=1).values[:, :, None] * _GROUP + torch.arange(_GROUP)).flatten(1).numpy()
        return [each[each < len(self.vectors)] for each in rows], beyond

    def _float32_shortlists(self, queries: torch.Tensor, k: int) -> np.ndarray:
        """For each query the rows of somewhat more than its k best, by float32 products block by block."""
        wanted = min(k + _GROUP, len(self.vectors))
        scores, rows = torch.empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.int64)
        for start in range(0, len(self.vectors), _BLOCK):
            block = queries @ self._block(start).T
            best, place = block.topk(min(wanted, block.shape[1]), dim=1)
            scores, rows = torch.cat([scores, best], 1), torch.cat([rows, place + start], 1)
            scores, kept = scores.topk(min(wanted, scores.shape[1]), dim=1)
            rows = rows.gather(1, kept)
        return rows.sort(dim=1).values.numpy()


def best_of(vectors: np.ndarray, query: torch.Tensor, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best of `rows`, which ascend; each product is summed alike, so equal vectors have equal scores."""
    scores = (torch.from_numpy(np.array(vectors[rows])) * query).sum(1).numpy()
    best = np.argsort(-scores, kind="stable")[:k]
    return scores[best], rows[best]


def open_index(vectors: np.ndarray, memory: int | None = None) -> Index:
    """Exact search where it fits into half of the memory at hand (or `memory` bytes), FAISS beyond.

    Exact search over n vectors of d numbers wants 2nd bytes in bfloat16, and 4nd where the hardware has none.
    """
    from autorefine_lib.approximate_index import ApproximateIndex

    check_vectors(vectors, "vectors")
    wanted = vectors.size * (2 if has_bfloat16(torch.device("cpu")) else 4)
    allowed = memory_at_hand() // 2 if memory is None else memory
    return ExactIndex(vectors) if wanted <= allowed else ApproximateIndex(vectors)


def check_vectors(vectors: np.ndarray, name: str, dimension: int | None = None, least: int = 1) -> np.ndarray:
    """`vectors` if it is float32 [at least `least`, `dimension`].

    Raises:
        InputError: it is not.
    """
    shape, kind = np.shape(vectors), getattr(vectors, "dtype", type(vectors).__name__)
    if len(shape) != 2 or kind != np.float32 or shape[0] < least or dimension not in (None, shape[1]) or not shape[1]:
        wanted = f"[{'n' if least else 'any number'}, {dimension or 'd'}]"
        raise InputError(
            f"{name} of shape {shape} and type {kind}; give a float32 array {wanted} with {least} row or more"
        )
    return vectors


def check_queries(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """`queries` if their `k` best among `vectors` can be looked for.

    Raises:
        InputError: queries of another shape, not finite, or k not between 1 and the number of vectors.
    """
    queries = check_vectors(queries, "queries", vectors.shape[1], least=0)
    if not np.isfinite(queries).all():
        raise InputError("queries: not finite; embed those texts again")
    if not 1 <= k <= len(vectors):
        raise InputError(f"k={k} is not between 1 and {len(vectors)}, the number of vectors; choose k in between")
    return queries


def check_finite(block: np.ndarray, start: int) -> None:
    """Raise InputError for the first row of a block of vectors that is not finite; `start` is the block's first row."""
    if not np.isfinite(block).all():
        row = start + int(np.flatnonzero(~np.isfinite(block).all(1))[0])
        raise InputError(f"vectors: row {row} is not finite; embed that text again")


def memory_at_hand() -> int:
    """Bytes of main memory that are free or can be freed; all of it where the system does not say (not Linux)."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":") for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 itself, so that it is faster than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
