"""Groups of near-duplicate texts, by MinHash and banding (Broder, 1997; Leskovec, Rajaraman and Ullman, 2020, ch. 3).

The same ad is often posted again with another date, city or reference number. If its copies came into different splits,
a model would be tested on what it was trained on.
"""

import re
import zlib

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

_SHINGLE = 4  # words
_BANDS, _ROWS = 8, 3  # texts that share half their shingles meet with probability 0.66, four fifths: 0.998
_PRIME = np.uint64((1 << 31) - 1)


def normalize(text: str) -> str:
    """Lower-case words only: no digits, addresses, marks or line breaks."""
    text = re.sub(r"https?://\S+|www\.\S+|#\S+#|\[\w+\]", " ", text.lower())
    return " ".join(re.findall(r"[^\W\d_]+", text))


def _signature(text: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    words = normalize(text).split()
    shingles = {" ".join(words[i : i + _SHINGLE]) for i in range(max(1, len(words) - _SHINGLE + 1))}
    hashes = np.array([zlib.crc32(shingle.encode()) for shingle in shingles], dtype=np.uint64) % _PRIME
    return ((hashes[:, None] * a + b) % _PRIME).min(axis=0)


def group_texts(texts: list[str]) -> list[int]:
    """For each text the index of the first text of its group; texts that share a band of the signature are joined."""
    a, b = np.random.default_rng(0).integers(1, int(_PRIME), size=(2, _BANDS * _ROWS), dtype=np.uint64)
    seen: dict[tuple, int] = {}
    pairs = []
    for i, text in enumerate(texts):
        for band, rows in enumerate(_signature(text, a, b).reshape(_BANDS, _ROWS).tolist()):
            pairs.append((seen.setdefault((band, *rows), i), i))
    graph = csr_array((np.ones(len(pairs)), np.transpose(pairs)), shape=(len(texts), len(texts)))
    _, first, group = np.unique(connected_components(graph)[1], return_index=True, return_inverse=True)
    return first[group].tolist()
