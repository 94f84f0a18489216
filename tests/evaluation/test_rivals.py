"""Rivals of rewriting: re-ranking by hand and in bounds, a null space at chance, texts without gender, word swaps."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from synthetic_judge import judge

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import ensemble, rivals, transfer
from autorefine_lib.metrics import groups, ranking
from autorefine_lib.text import protected


def test_rerank_by_hand():
    """Half a and half b: after two places one of each is due, after four two of each."""
    scores, codes = np.array([0.9, 0.8, 0.7, 0.1, 0.05, 0.04]), np.array([0, 0, 0, 1, 1, 1])
    # Places 1, 2: 0 and 3; places 3, 4: 1 and 4; 1 may not pass 3, which was due at the second place.
    assert rivals.rerank(scores, codes).tolist() == [0, 3, 1, 4, 2, 5]
    # One in four is of b: nobody of b is due before place 4, and then the better ones may stand before.
    assert rivals.rerank(np.array([0.9, 0.8, 0.7, 0.1]), np.array([0, 0, 0, 1])).tolist() == [0, 1, 2, 3]
    assert rivals.rerank(np.array([0.9, 0.8, 0.7, 0.85]), np.array([0, 0, 0, 1])).tolist() == [0, 3, 1, 2]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=40))
def test_rerank_keeps_its_bounds(people: list[tuple[int, int]]):
    codes, scores = np.array(people).T
    order = rivals.rerank(scores.astype(float), codes)
    assert sorted(order) == list(range(len(people)))
    for group in np.unique(codes):
        members = codes[order] == group
        assert (members.cumsum() >= np.floor(np.arange(1, len(order) + 1) * members.mean() + 1e-9)).all()
        assert (np.diff(scores[order][members]) <= 0).all(), "within a group the order stays"


def test_the_reranked_recommender_selects_the_groups_as_they_share_the_pool():
    small = judge("test", 30)
    fair = rivals.RerankedRecommender(small.recommender, "gender").fit(small.candidates)
    counts = ranking.per_job(fair.rank(list(small.jobs["text"])), small.jobs, small.candidates, "gender", 10)
    share = np.array(small.candidates["gender"]) == "female"
    women = counts.query("pool == 'whole' and group == 'female'")["selected"]
    assert ((women - 10 * share.mean()).abs() < 1).all()
    plain = small.recommender.rank(list(small.jobs["text"]))
    assert (women != ranking.per_job(plain, small.jobs, small.candidates, "gender", 10).query(
        "pool == 'whole' and group == 'female'")["selected"]).any()  # fmt: skip


def accuracy(vectors: np.ndarray, codes: np.ndarray) -> float:
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    return cross_val_score(model, vectors, codes, cv=5, scoring="balanced_accuracy").mean()


def test_after_the_projection_a_classifier_is_at_chance():
    """Of vectors that the projection was not learned from."""
    rng = np.random.default_rng(0)
    codes, vectors = np.tile([0, 1], 400), rng.normal(size=(800, 6))
    vectors[:, 2] += 3 * codes
    projection = rivals.find_null_space(vectors[:400], codes[:400])
    assert np.allclose(projection @ projection, projection) and np.allclose(projection, projection.T)
    assert accuracy(vectors[400:], codes[400:]) > 0.85
    assert abs(accuracy(vectors[400:] @ projection, codes[400:]) - 0.5) < 0.05
    assert np.linalg.matrix_rank(projection) >= 3, "little else is taken"
    with pytest.raises(InputError, match="groups of 800 members"):
        rivals.find_null_space(vectors, np.zeros(800, int))


def test_the_debiased_recommender_forgets_the_groups():
    """Also of people that it never read."""
    small = judge("test", 30)
    fair = rivals.DebiasedRecommender(small.recommender, "gender").fit(small.candidates)
    others = transfer.fresh_candidates(small.candidates, 7)
    vectors, women = small.recommender.embed(list(others["text"])), np.array(others["gender"]) == "female"
    found = accuracy(vectors, women), accuracy(fair._project(vectors), women)
    assert found[0] > 0.7 and found[1] < 0.55, found
    scores = fair.rank(list(small.jobs["text"]))
    assert scores.shape == (len(small.jobs), len(women)) and np.abs(scores).max() <= 1 + 1e-6


def test_neutral_texts():
    texts = ["Maria Lopez is a nurse. She loves her work, and patients like her.", "Mr. Smith and his wife run a shop."]
    assert rivals.neutralize(texts)[0] == "is a nurse. They loves their work, and patients like them."
    second = rivals.neutralize(texts)[1]
    assert "their" in second and "Smith" not in second and "Mr" not in second and "wife" not in second
    assert rivals.neutralize([]) == [] and rivals.neutralize(["", "They cook."]) == ["", "They cook."]
    people = judge("test", 30).candidates["text"][:50]
    assert not any(protected.protected_words(text) & {"she", "he", "her", "his"} for text in rivals.neutralize(people))


def test_the_blind_recommender_sees_no_pronoun():
    people = Dataset.from_dict(
        {"candidate_id": ["a", "b"], "text": ["She cooks.", "He cooks."], "occupation": ["cook"] * 2}
    )
    read = []
    plain = SimpleNamespace(
        fit=lambda pool: read.extend(pool["text"]) or plain, rank=lambda ads: np.ones((len(ads), 2))
    )
    assert rivals.BlindRecommender(plain).fit(people).rank(["x"]).tolist() == [[1, 1]]
    assert read == ["They cooks."] * 2


def test_a_constant_recommender_gives_parity_whatever_it_reads():
    """Equal scores give everybody the same chance, also of texts that are neutral or projected."""
    small = judge("test", 30)
    constant = SimpleNamespace(embed=lambda texts: np.ones((len(texts), 3)), rank=lambda ads: np.ones((len(ads), 1)))
    fair = rivals.DebiasedRecommender(constant, "gender").fit(small.candidates)
    counts = ranking.per_job(fair.rank(list(small.jobs["text"])), small.jobs, small.candidates, "gender", 10)
    assert ranking.impact_ratio(counts)["impact_ratio"].tolist() == [1, 1]


REWRITES = pd.DataFrame(
    {
        "job_id": ["a", "b", "c", "c", "d"],
        "source": ["You lead teams.", "You lead our people.", "You lead us.", "You lead us.", "Strong staff."],
        "text": ["You guide teams.", "You guide our staff.", "You guide us.", "You guide us!", "Able staff."],
    }
)


def test_rules_by_hand():
    rules = rivals.learn_rules(REWRITES, pd.Series([0.1, 0.4, 0.3, 0.5, -0.9]))
    # "lead" to "guide" in ad a 0.1, in b 0.4 shared by two edits, in c 0.3 and 0.5 shared by two: mean 0.275.
    assert rules[["old", "new", "ads"]].values.tolist() == [["lead", "guide", 3]]
    assert rules["contribution"].item() == pytest.approx((0.1 + 0.2 + 0.275) / 3)
    assert rivals.learn_rules(REWRITES, pd.Series([0.1, 0.4, 0.3, 0.5, -0.9]), 1)["old"].tolist() == [
        "strong", "people", "lead",
    ]  # fmt: skip


def test_rules_are_applied_towards_parity_and_through_the_guards():
    rules = pd.DataFrame({"old": ["lead", "new"], "new": ["guide", "female"], "contribution": [0.2, 0.9]})
    ads = {
        "low": "Lead a team of new cooks every day.",
        "high": "You lead a team of new cooks.",
        "par": "You lead a team.",
    }
    found = rivals.apply_rules(ads, rules, {"low": 1.0, "high": -1.0, "par": 0.0})
    assert found == ads | {"low": "Guide a team of new cooks every day."}, "no protected word, nothing away from parity"


def test_directions_bring_every_setting_to_parity():
    small = judge("test", 6)
    [linear] = ensemble.build_members(small, {"one": small.recommender}, 0.2).values()
    directions = rivals.find_directions(linear, "female")
    assert set(directions) == set(small.jobs["job_id"]) and set(directions.values()) <= {-1.0, 0.0, 1.0}
    women = linear.measures.groups.index("female")
    rates = linear.exposures({}, "exposure") / linear.members
    for job, direction in directions.items():
        ratio = rates[linear.row[job], women] / rates[linear.row[job], 1 - women]
        assert direction == 0 or (direction > 0) == (ratio < 1)


def test_the_unknown_are_a_group_of_their_own():
    people = Dataset.from_dict({"gender": ["f", "m", None, "m"], "text": list("abcd")})
    ranked = SimpleNamespace(fit=lambda pool: ranked, rank=lambda ads: np.array([[4.0, 3, 2, 1]]))
    assert rivals.RerankedRecommender(ranked, "gender").fit(people).rank(["x"]).tolist() == [[0, -1, -2, -3]]
    assert groups.of(people, "gender").names[-1] == "unknown"
