"""Groups of near-duplicate texts, by MinHash and banding (Broder, 1997; Leskovec, Rajaraman and Ullman, 2020, ch. 3).

The same ad is posted again with another date, city or reference number; a split that takes the copies apart would
test on what was trained on.
"""

import re
import zlib

import numpy as np

_SHINGLE = 4  # words
_BANDS, _ROWS = 8, 3  # texts that share half their shingles meet with probability 0.66, four fifths: 0.998
_PRIME = np.uint64((1 << 31) - 1)


def normalized(text: str) -> str:
    """Lower-case words only: no digits, addresses, marks or line breaks."""
    text = re.sub(r"https?://\S+|www\.\S+|#\S+#|\[\w+\]", " ", text.lower())
    return " ".join(re.findall(r"[^\W\d_]+", text))


def _signature(text: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    words = normalized(text).split()
    shingles = {" ".join(words[i : i + _SHINGLE]) for i in range(max(1, len(words) - _SHINGLE + 1))}
    hashes = np.array([zlib.crc32(shingle.encode()) for shingle in shingles], dtype=np.uint64) % _PRIME
    return ((hashes[:, None] * a + b) % _PRIME).min(axis=0)


def groups(texts: list[str]) -> list[int]:
    """For each text the index of the first text of its group; texts that share a band of the signature are joined."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(1, int(_PRIME), size=(2, _BANDS * _ROWS), dtype=np.uint64)
    parent = list(range(len(texts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    seen: dict[tuple, int] = {}
    for i, text in enumerate(texts):
        signature = _signature(text, a, b)
        for band in range(_BANDS):
            key = (band, *signature[band * _ROWS : (band + 1) * _ROWS].tolist())
            first, second = sorted((root(seen.setdefault(key, i)), root(i)))
            parent[second] = first
    return [root(i) for i in range(len(texts))]
