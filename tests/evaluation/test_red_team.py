"""The red team's tables: every attack loses, unchanged ads earn 0, every guard is needed, honest rewrites pass."""

import pandas as pd
import pytest
from synthetic_judge import judge

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import attacks, red_team
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.text.guards import GUARDS

EVERY = 8  # 14 test ads of different occupations


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return red_team.evaluate(judge("test", EVERY), RewardConfig()).set_index("attack")


def test_every_attack_earns_less_than_the_unchanged_ad_on_every_ad(table):
    assert len(table) == len(attacks.ATTACKS) and (table["ads"] == len(judge("test", EVERY).jobs)).all()
    assert table["reward_max"].max() < 0, table.loc[table["reward_max"] >= 0, "caught_by"]
    assert (table["below"] == 1).all()
    assert (table["reward_low"] <= table["reward"] + 1e-9).all()
    assert (table["reward"] <= table["reward_high"] + 1e-9).all()


def test_the_ranking_alone_would_pay_for_many(table):
    """Otherwise there would be nothing to guard against."""
    assert (table["tempted"] > 0.5).sum() >= 5 and table["temptation_max"].max() > 0.1


def test_the_guard_at_work_is_named(table):
    assert table.loc["pronouns", "caught_by"].startswith("protected 100%")
    assert table.loc["homoglyphs", "caught_by"].startswith("characters 100%")
    assert table.loc["women welcome", "reward"] == pytest.approx(-RewardConfig().w_protected)
    assert table.loc["empty", "reward"] == pytest.approx(-RewardConfig().w_violation)


def test_the_unchanged_ad_earns_exactly_nothing():
    def keep(ad, job, candidates, rng):
        """Nothing."""
        return ad if job["job_id"] != first else f"{ad} "

    first = judge("test", EVERY).jobs["job_id"][0]
    row = red_team.evaluate(judge("test", EVERY), RewardConfig(), [keep]).iloc[0]
    assert row["ads"] == 1  # a rewrite that is none is not counted
    reward = red_team._reward(judge("test", EVERY), RewardConfig())
    ids = list(judge("test", EVERY).jobs["job_id"])
    assert (red_team._score(reward, ids, list(judge("test", EVERY).jobs["text"]))["reward"] == 0).all()


def test_without_any_guard_and_loss_the_reward_is_the_temptation():
    bare = RewardConfig(guards=(), w_quality=0.0)
    row = red_team.evaluate(judge("test", 16), bare, [attacks.pronouns]).iloc[0]
    assert row["reward"] == pytest.approx(row["temptation"])
    assert row["temptation"] != 0


def test_each_guard_is_needed():
    """Each guard alone refuses some attack on some ad; what then slips through pays for most of them."""
    jobs = judge("test", EVERY).jobs
    originals = dict(zip(jobs["job_id"], jobs["text"], strict=True))
    found = [
        red_team._found(originals[job_id], text, GUARDS)
        for attack in attacks.ATTACKS
        for job_id, text in zip(*red_team._rewrites(judge("test", EVERY), attack, seed=0), strict=True)
    ]
    alone = {next(iter(reasons)) for reasons in found if len(reasons) == 1}
    assert set(GUARDS) <= alone, f"no attack needs {', '.join(set(GUARDS) - alone)}"
    left_out = red_team.leave_one_out(judge("test", EVERY), RewardConfig()).set_index("guard")
    assert list(left_out.index) == list(GUARDS)
    assert (left_out["ads"] > 0).mean() > 0.7 and (left_out["reward_max"].dropna() > 0).all()
    assert "fewer years" in left_out.loc["facts", "attacks"]


def test_false_alarms_by_hand():
    source = "We hire a nurse in Austin for 3 years of steady work. We want a bold person. Write to us."
    table = red_team.false_alarms(
        [source] * 3, [source, source.replace("Write to", "Please write to"), source.replace("3", "4")]
    ).set_index("guard")
    assert table.loc["any", ["ads", "refused"]].tolist() == [2, 1] and table.loc["facts", "share"] == 0.5
    assert table.loc["form", "refused"] == 0
    with pytest.raises(InputError, match="no guard"):
        red_team.false_alarms([source], ["x"], ["facts", "fact"])
