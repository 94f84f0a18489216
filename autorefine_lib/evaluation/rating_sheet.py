"""A blind rating sheet: people judge pairs of a sentence and its rewrite without knowing which method wrote them.

Out goes a CSV file with the pairs in random order. Their ids are hashes of the two texts, so they say nothing of the
method, and what two methods wrote alike is rated once for both. Back come the filled copies, one a rater.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from autorefine_lib.data import read_files, schema
from autorefine_lib.errors import InputError
from autorefine_lib.files import write_csv
from autorefine_lib.text import sentences

RATINGS = {"kept": 0, "drifted": 1, "wrong": 2}
"""The same meaning; another shade or stress, but no false fact; a fact lost, added or changed, or no English."""


def list_pairs(originals: Sequence[str], methods: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The sentences that each method changed: pair_id, source, rewrite and method, each pair once a method.

    Where an ad and its rewrite differ in their number of sentences, the pair is the two ads.
    """
    rows: dict[tuple[str, ...], None] = {}
    for method, texts in methods.items():
        for ads in zip(originals, texts, strict=True):
            old, new = (sentences.split(ad)[::2] for ad in ads)
            for pair in zip(old, new, strict=True) if len(old) == len(new) else [ads]:
                rows[hashlib.sha256("\0".join(pair).encode()).hexdigest()[:12], *pair, method] = None
    return pd.DataFrame(list(rows), columns=["pair_id", "source", "rewrite", "method"]).query("source != rewrite")


def write_sheet(path: Path | str, pairs: pd.DataFrame, most: int, seed: int = 0) -> Path:
    """Write up to `most` pairs of each method from `list_pairs`, drawn and shuffled by `seed`, to be rated."""
    drawn = pairs.sample(frac=1, random_state=seed).groupby("method").head(most).drop_duplicates("pair_id")
    return write_csv(Path(path), drawn.drop(columns="method").assign(rating="", remark=""))


def read_ratings(paths: Sequence[Path | str], pairs: pd.DataFrame) -> pd.DataFrame:
    """Read filled sheets: numbers as in `RATINGS`, one row a pair that was judged, one column a rater.

    A rater has the name of the file. NaN: judged by others only.

    Raises:
        InputError: as `read_table`; a missing column, a pair that stands twice or is not among `pairs`, a word that is
            not in `RATINGS`, or no rating at all.
    """
    columns = {}
    for path in map(Path, paths):
        sheet = read_files.read_table(path)
        schema.check_table(sheet, ["pair_id"], str(path), ["rating"])
        words = sheet["rating"].fillna("").astype(str).str.strip().str.lower()
        faults = {f"a rating that is not {', '.join(RATINGS)}": ~words.isin([*RATINGS, ""])}
        faults["a pair of another sheet"] = ~sheet["pair_id"].isin(pairs["pair_id"])
        schema.refuse_rows(faults, str(path))
        columns[path.stem] = words.map(RATINGS).set_axis(sheet["pair_id"]).dropna()
    ratings = pd.DataFrame(columns, dtype=float)
    if ratings.empty:
        raise InputError(f"no sheet has a rating; write {', '.join(RATINGS)} into the column rating")
    return ratings


def count_shares(ratings: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Share of each rating by method: method, rating, n (pairs), share, low and high (Wilson, 95 %).

    A pair counts once, by the median of its ratings; between two it is the worse.
    """
    judged = pairs.assign(verdict=pairs["pair_id"].map(np.ceil(ratings.median(axis=1)))).dropna(subset="verdict")
    rows = []
    for method, verdicts in judged.groupby("method", sort=False)["verdict"]:
        for rating, place in RATINGS.items():
            share = stats.binomtest(int((verdicts == place).sum()), len(verdicts))
            rows.append((method, rating, len(verdicts), share.statistic, *share.proportion_ci(method="wilson")))
    return pd.DataFrame(rows, columns=["method", "rating", "n", "share", "low", "high"])


def measure_agreement(ratings: pd.DataFrame) -> pd.DataFrame:
    """Cohen's kappa of every two raters: rater, other, n (pairs that both judged), kappa, low and high.

    The limits are those of the share of equal ratings (Wilson, 95 %), with the agreement by chance held fixed as in
    Cohen (1960), Educational and Psychological Measurement 20(1). NaN: both gave one and the same rating only.
    """
    rows = []
    for rater, other in combinations(ratings, 2):
        both = ratings[[rater, other]].dropna().to_numpy()
        if len(both):
            equal = stats.binomtest(int((both[:, 0] == both[:, 1]).sum()), len(both))
            chance = sum((both == place).mean(axis=0).prod() for place in RATINGS.values())
            shares = np.array([equal.statistic, *equal.proportion_ci(method="wilson")])
            rows.append((rater, other, len(both), *(shares - chance) / ((1 - chance) or np.nan)))
    return pd.DataFrame(rows, columns=["rater", "other", "n", "kappa", "low", "high"])
