"""Other ways to the same end: why rewrite an ad, and not re-rank, debias the recommender, or blind the candidates?

Three rivals are recommenders themselves and fit wherever one does: `RerankedRecommender` changes the ranking,
`DebiasedRecommender` the embeddings, `BlindRecommender` what it reads of the candidates. The fourth changes the ads as
the rewrites do, but with a list of word swaps that anybody can read (`learn_rules`).
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from functools import partial

import numpy as np
import pandas as pd
from datasets import Dataset
from scipy.linalg import orth
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation.attribution import Attribution, frequent_edits
from autorefine_lib.metrics import groups
from autorefine_lib.models import dependency_parser
from autorefine_lib.recommender.by_name import Recommender
from autorefine_lib.recommender.dense import DenseRecommender
from autorefine_lib.reward import parity_gap
from autorefine_lib.reward.linear_gap import LinearGap
from autorefine_lib.reward.reward import deploy
from autorefine_lib.text import protected, wording
from autorefine_lib.text.articles import mend_articles
from autorefine_lib.text.faithfulness import by_guard
from autorefine_lib.text.rewritable import sentences_to_rewrite
from autorefine_lib.text.word_diff import word_diff

PRONOUNS = {"he": "they", "she": "they", "him": "them", "his": "their", "hers": "theirs"}
PRONOUNS |= {"himself": "themselves", "herself": "themselves"}
TITLES = ("mr", "mrs", "ms", "miss")


def rerank(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """DetConstSort (Geyik, Ambler and Kenthapadi, KDD 2019, algorithm 3): the candidates, int, the best first.

    Of the first i places each group gets floor(i * p) or more, where p is its share of the candidates. FairRankTune
    0.0.7 and the printed algorithm let a candidate fall one place below the last that keeps this; here none does.

    Args:
        scores: of the candidates, float; higher is better, equal scores keep their order.
        codes: the group of each, int.
    """
    best = np.argsort(-scores, kind="stable")
    waiting = [list(best[codes[best] == code]) for code in np.unique(codes)]
    shares = np.array([len(members) / len(codes) for members in waiting])
    order: list[int] = []
    latest: list[int] = []
    given, places = np.zeros(len(shares), int), 0
    while len(order) < len(codes):
        places += 1
        due = [g for g in np.flatnonzero(given < np.floor(places * shares + 1e-9)) if given[g] < len(waiting[g])]
        for g in sorted(due, key=lambda g: -scores[waiting[g][given[g]]]):
            order.append(waiting[g][given[g]])
            latest.append(places)
            given[g] += 1
            at = len(order) - 1
            while at > 0 and latest[at - 1] > at and scores[order[at - 1]] < scores[order[at]]:
                order[at - 1 : at + 1] = order[at], order[at - 1]
                latest[at - 1 : at + 1] = latest[at], latest[at - 1]
                at -= 1
    return np.array(order)


class RerankedRecommender:
    """A recommender whose rankings `rerank` changes, so that the groups share the first places as they share the pool.

    Args:
        recommender: ranks first.
        attribute: column of the candidates that names the groups; those without a value are a group of their own.
    """

    def __init__(self, recommender: Recommender, attribute: str) -> None:
        self.recommender, self.attribute = recommender, attribute

    def fit(self, candidates: Dataset) -> "RerankedRecommender":
        """Take in the pool and its groups."""
        self.recommender = copy(self.recommender).fit(candidates)
        self._codes = groups.of(candidates, self.attribute).codes
        return self

    def rank(self, ads: list[str]) -> np.ndarray:
        """Minus the place of every candidate, float [ads, candidates]."""
        return np.stack([-np.argsort(rerank(row, self._codes)).astype(float) for row in self.recommender.rank(ads)])


def find_null_space(vectors: np.ndarray, codes: np.ndarray, rounds: int = 50) -> np.ndarray:
    """Iterative null-space projection (INLP; Ravfogel et al., ACL 2020, algorithm 1), float [dimension, dimension].

    Projected on it, the vectors tell a logistic regression nothing of the groups any more: it is learned from seven
    tenths of them, and ends when a classifier's balanced accuracy on the others is within a standard error of chance,
    or after `rounds`. (Cross-validation on the same vectors would end it too early: each fold lacks what was fitted.)

    Raises:
        InputError: fewer than two groups, or one of fewer than four members.
    """
    sizes = np.bincount(codes)[np.unique(codes)]
    if len(sizes) < 2 or sizes.min() < 4:
        raise InputError(f"groups of {', '.join(map(str, sizes))} members; give two or more, each of at least 4")
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    seen, unseen, known, hidden = train_test_split(vectors, codes, test_size=0.3, stratify=codes, random_state=0)
    directions, projection = np.zeros((0, vectors.shape[1])), np.eye(vectors.shape[1])
    for _ in range(rounds):
        model.fit(seen @ projection, known)
        accuracy = balanced_accuracy_score(hidden, model.predict(unseen @ projection))
        if accuracy <= 1 / len(sizes) + 0.5 / len(hidden) ** 0.5:
            break
        directions = np.vstack([directions, model.coef_])
        basis = orth(directions.T)
        projection = np.eye(len(projection)) - basis @ basis.T
    return projection


class DebiasedRecommender:
    """A dense recommender without the directions that tell the candidates' groups (`find_null_space`).

    Args:
        recommender: gives the embeddings.
        attribute: column of the candidates that names the groups; those without a value are not learned from.
    """

    def __init__(self, recommender: DenseRecommender, attribute: str) -> None:
        self.recommender, self.attribute = recommender, attribute

    def fit(self, candidates: Dataset) -> "DebiasedRecommender":
        """Learn the projection from the candidates, and project them."""
        divided = groups.of(candidates, self.attribute)
        vectors, known = self.recommender.embed(list(candidates["text"])), divided.codes < len(divided.names) - 1
        self._projection = find_null_space(vectors[known], divided.codes[known])
        self._candidates = self._project(vectors)
        return self

    def rank(self, ads: list[str]) -> np.ndarray:
        """Cosine of every ad with every candidate, both projected, float [ads, candidates]."""
        return self._project(self.recommender.embed(ads)) @ self._candidates.T

    def _project(self, vectors: np.ndarray) -> np.ndarray:
        projected = vectors @ self._projection
        return projected / np.maximum(np.linalg.norm(projected, axis=1, keepdims=True), 1e-9)


def neutralize(texts: Sequence[str]) -> list[str]:
    """The texts without names of people and words that name a gender, with "they" for "she" and "he".

    Gender-coded phrases become neutral ones (`wording`), and white space single spaces. Names are those that spaCy's
    recognizer finds; it misses some.
    """
    found = []
    for doc in dependency_parser.find_names(texts):
        words = [
            _neutral(word.text, word.tag_ == "PRP$", word.ent_type_ == "PERSON") + word.whitespace_ for word in doc
        ]
        found.append(wording.swap(" ".join("".join(words).split()), random.Random(0), toward="neutral"))
    return found


def _neutral(word: str, possessive: bool, name: bool) -> str:
    key = word.lower().rstrip(".")
    if key == "her" or key in PRONOUNS:
        plain = PRONOUNS.get(key, "their" if possessive else "them")
        return plain.capitalize() if word[0].isupper() else plain
    gendered = not protected.protected_words(word).isdisjoint(protected.CATEGORIES["gender"])
    return "" if name or gendered or key in TITLES else word


class BlindRecommender:
    """A recommender that reads the candidates' texts neutralised (`neutralize`), and the ads as they are."""

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender

    def fit(self, candidates: Dataset) -> "BlindRecommender":
        """Take in the pool, each text neutralised."""
        blind = candidates.remove_columns("text").add_column("text", neutralize(candidates["text"]))
        self.recommender = copy(self.recommender).fit(blind)
        return self

    def rank(self, ads: list[str]) -> np.ndarray:
        """Scores of the recommender, float [ads, candidates]."""
        return self.recommender.rank(ads)


def learn_rules(rewrites: pd.DataFrame, changes: pd.Series, least_ads: int = 3) -> pd.DataFrame:
    """Word swaps with what they change on average, from rewrites that were measured, without any training.

    The change that a rewrite makes is shared equally by its edits.

    Args:
        rewrites: columns job_id, source and text, as from `reward_gate.accepted`.
        changes: of each of them, a column of `ensemble.measure_sentences`.
        least_ads: in which a swap must occur.

    Returns:
        As `attribution.frequent_edits`, the strongest first, only swaps of words for words.
    """
    found = []
    for row, change in zip(rewrites.itertuples(), changes, strict=True):
        pieces = word_diff(row.source, row.text)
        edits = sum(old != new for old, new in pieces)
        found.append(Attribution(row.job_id, pieces, [change / edits] * edits, 0.0, change))
    rules = frequent_edits(found, n=len(rewrites) * 50)
    of_words = [rules[column].str.fullmatch("[a-z][a-z' -]*[a-z]") for column in ("old", "new")]
    rules = rules[of_words[0] & of_words[1] & (rules["ads"] >= least_ads)]
    return rules.sort_values("contribution", key=lambda value: -value.abs(), kind="stable", ignore_index=True)


def find_directions(linear: LinearGap, group: str) -> dict[str, float]:
    """By job: 1 where its setting selects too few of `group`, -1 where too many, 0 at parity."""
    pulls = parity_gap.pull(linear.exposures({}, "exposure"), linear.members)[:, linear.measures.groups.index(group)]
    return {job: float(np.sign(pulls[row])) for job, row in linear.row.items()}


def apply_rules(ads: Mapping[str, str], rules: pd.DataFrame, directions: Mapping[str, float]) -> dict[str, str]:
    """Ads with each swap that brings the group nearer to parity, as far as the guards let it pass.

    Args:
        ads: texts by job_id.
        rules: from `learn_rules`.
        directions: from `find_directions`.
    """
    return {job: deploy(ad, dict(_swap(ad, rules, directions[job]))) for job, ad in ads.items()}


def _swap(ad: str, rules: pd.DataFrame, direction: float) -> Iterator[tuple[int, str]]:
    helping = rules[rules["contribution"] * direction > 0]
    patterns = [(re.compile(rf"(?<![\w-]){re.escape(old)}(?![\w-])", re.IGNORECASE), new)
                for old, new in zip(helping["old"], helping["new"], strict=True)]  # fmt: skip
    for position, source in sentences_to_rewrite(ad):
        text = source
        for pattern, new in patterns:
            swapped = mend_articles(source, pattern.sub(partial(_in_case, new), text))
            if swapped != text and not by_guard(source, swapped):
                text = swapped
        if text != source:
            yield position, text


def _in_case(word: str, match: re.Match[str]) -> str:
    return word[0].upper() + word[1:] if match[0][0].isupper() else word
