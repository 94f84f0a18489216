"""The A/B analysis: sample sizes and variances by hand, error rates over 200 generated logs, logs that are refused.

The logs are those of notebook 13's own click model, taken from its cells.
"""

from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import ab_test
from autorefine_lib.reproduce import NOTEBOOKS

RUNS, VIEWERS, LOOKS = 200, 4000, 20


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    """The names that the notebook's cells define: `simulate_log`, and `expect`, the long-run clicks a view."""
    names = {"click_rate": 0.2, "apply_rate": 0.1, "page": 10, "np": np}
    for cell in nbformat.read(NOTEBOOKS / "13_users.ipynb", as_version=4).cells:
        for start in ("def simulate_log", "def expect"):
            if cell.cell_type == "code" and start in cell.source:
                exec(cell.source.split("\nwhole = ")[0], names)
    return names


@pytest.fixture(scope="module")
def paths(model) -> dict[float, tuple[float, list[pd.DataFrame]]]:
    """For no effect and for one on women only: the true effect, and the looks at 200 logs."""
    found = {}
    for shift in (0.0, 0.36):
        shifts = {"women": np.full(3, shift), "men": np.zeros(3)}
        logs = (model["simulate_log"](shifts, VIEWERS, number) for number in range(RUNS))
        truth = (model["expect"](shifts["women"]) - model["expect"](shifts["men"])) / 2
        found[shift] = truth, [ab_test.compare(log, "clicks", tau=0.003, looks=LOOKS) for log in logs]
    return found


def share(found: list[pd.DataFrame], condition: str, last_only: bool = False) -> float:
    """Share of the logs that meet a condition at any look, or at the last."""
    return float(np.mean([(path.tail(1) if last_only else path).eval(condition).any() for path in found]))


def test_false_alarms_over_200_logs(paths):
    _, found = paths[0.0]
    assert share(found, "p_always < 0.05") <= 0.05
    assert share(found, "p_fixed < 0.05") > 0.15, "the plain z test that is looked at 20 times"
    assert 0.01 <= share(found, "p_fixed < 0.05", last_only=True) <= 0.1, "and at one look"


def test_the_effect_is_found_and_covered_over_200_logs(paths):
    truth, found = paths[0.36]
    assert np.mean([path["effect"].iloc[-1] for path in found]) == pytest.approx(truth, rel=0.05)
    missed = f"low_fixed > {truth} or high_fixed < {truth}"
    assert 0.91 <= 1 - share(found, missed, last_only=True) <= 0.985
    assert 1 - share(found, missed.replace("fixed", "always")) >= 0.95, "at all looks together"
    assert 1 - share(found, missed) < 0.9, "which intervals for one look are not"
    assert share(found, "p_always < 0.05") > 0.2


def test_the_effect_is_put_down_to_the_right_group(model):
    shifts = {"women": np.full(3, 0.36), "men": np.zeros(3)}
    log = model["simulate_log"](shifts, 20_000, 1)
    women, men = (
        ab_test.compare(log[log["group"] == group], "clicks", tau=0.003, looks=LOOKS).iloc[-1] for group in shifts
    )
    assert women["low_always"] > 0 and women["p_always"] < 0.001
    assert men["low_always"] < 0 < men["high_always"] and men["p_always"] > 0.05


def test_the_click_model_by_hand(model):
    log = pd.concat([model["simulate_log"]({"women": np.zeros(1)}, 20_000, number) for number in range(10)])
    # u is 1/2 on average, the positions of a page are read with 1, 1/2, ..., 1/10 of it: 0.5 * 0.292897 * 0.2
    rate = log["clicks"].sum() / log["impressions"].sum()
    assert rate == pytest.approx(0.0292897, rel=0.01)
    assert model["expect"](np.zeros(1)) == pytest.approx(0.0292897, abs=1e-7)
    assert log["applications"].sum() / log["clicks"].sum() == pytest.approx(0.1, abs=0.003)


def test_views_needed_by_hand(model):
    # p 0.10 and 0.12: (1.959964 sqrt(2 * 0.11 * 0.89) + 0.841621 sqrt(0.09 + 0.1056))^2 / 0.0004 = 3840.8
    assert ab_test.views_needed(0.10, 0.02) == 3841
    assert ab_test.views_needed(0.10, 0.02, design=2) == 7682
    assert ab_test.views_needed(0.12, -0.02) == 3841
    for rate, effect in ((0.1, 0.0), (0.1, -0.1), (0.9, 0.2)):
        with pytest.raises(InputError, match="between 0 and 1"):
            ab_test.views_needed(rate, effect)


def test_the_planned_views_give_the_planned_power(model):
    everyone = {"women": np.full(1, 0.6)}
    rate = model["expect"](np.zeros(1))
    needed = ab_test.views_needed(rate, model["expect"](everyone["women"]) - rate, design=1.06)
    logs = (model["simulate_log"](everyone, 2 * needed // 10, number) for number in range(RUNS))
    found = np.mean([ab_test.compare(log, "clicks", tau=0.01)["p_fixed"].iloc[0] < 0.05 for log in logs])
    assert found == pytest.approx(0.8, abs=0.08)


def make_log(arms: str, impressions: list[int], clicks: list[int]) -> pd.DataFrame:
    names = {"o": "original", "r": "rewritten"}
    rows = {"viewer": range(len(arms)), "arm": [names[arm] for arm in arms], "group": "all"}
    return pd.DataFrame(rows | {"impressions": impressions, "clicks": clicks, "applications": 0})


def test_rates_and_variance_by_hand():
    log = make_log("ororor", [2, 4, 4, 4, 2, 2], [1, 1, 0, 3, 1, 1])
    found = ab_test.compare(log, "clicks", tau=0.1).iloc[0]
    assert found["original"] == 2 / 8 and found["rewritten"] == 5 / 10 and found["effect"] == 0.25
    # clicks minus rate times views: original 0.5, -1, 0.5; rewritten -1, 1, 0; squares 1.5 and 2; times n / (n - 1)
    assert found["se"] ** 2 == pytest.approx(1.5 * (1.5 / 64 + 2 / 100))
    assert found["p_fixed"] == pytest.approx(2 * stats.norm.sf(0.25 / found["se"]))
    assert found["design"] == pytest.approx(found["se"] ** 2 / (0.25 * 0.75 / 8 + 0.5 * 0.5 / 10))


def test_the_ratio_is_that_of_a_mixture():
    """Against the integral over the normal mixture that defines it, and the interval against the p value."""
    log = make_log("or" * 300, [5] * 600, list(np.random.default_rng(3).integers(0, 4, 600)))
    tau, found = 0.05, ab_test.compare(log, "clicks", tau=0.05).iloc[0]
    d, se = found["effect"], found["se"]
    mixture, _ = integrate.quad(
        lambda effect: stats.norm.pdf(d, effect, se) * stats.norm.pdf(effect, 0, tau), -0.5, 0.5, points=[0, d]
    )
    assert found["p_always"] == pytest.approx(min(1, stats.norm.pdf(d, 0, se) / mixture), rel=1e-6)
    # At a limit the effect would be just significant: the ratio for (d - limit) is 1 / 0.05.
    gap = d - found["low_always"]
    v, wide = se**2, se**2 + tau**2
    assert np.sqrt(v / wide) * np.exp(tau**2 * gap**2 / (2 * v * wide)) == pytest.approx(20)
    assert found["high_always"] - d == pytest.approx(gap) and found["low_always"] < found["low_fixed"]


def test_looks_are_those_of_shorter_logs(model):
    log = model["simulate_log"]({"women": np.full(1, 0.5)}, 2000, 5)
    path = ab_test.compare(log, "clicks", tau=0.005, looks=4)
    half = ab_test.compare(log.head(1000), "clicks", tau=0.005).iloc[0]
    assert list(path["viewers"]) == [500, 1000, 1500, 2000]
    columns = ["original", "rewritten", "effect", "se", "p_fixed", "low_fixed"]
    assert path.loc[1, columns].to_list() == pytest.approx(half[columns].to_list())
    assert path["p_always"].is_monotonic_decreasing and path["low_always"].is_monotonic_increasing
    assert path["high_always"].is_monotonic_decreasing


def test_a_look_without_a_click_says_nothing():
    found = ab_test.compare(make_log("orororor", [3] * 8, [0] * 8), "clicks", tau=0.1, looks=2)
    assert (found["p_always"] == 1).all()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_log_is_read(tmp_path: Path, suffix: str):
    log = make_log("orro", [1, 1, 2, 1], [1, 0, 1, 0]).assign(city="x")
    path = tmp_path / f"log.{suffix}"
    log.to_csv(path, index=False) if suffix == "csv" else log.to_parquet(path, index=False)
    read = ab_test.read_log(path)
    assert list(read) == ab_test.COLUMNS and read["clicks"].sum() == 2
    whole, single = (ab_test.compare(table, "clicks", tau=0.1) for table in (log, read))
    pd.testing.assert_frame_equal(whole, single, check_dtype=False)


def test_views_of_one_viewer_count_as_one_row():
    single = make_log("oror", [3, 2, 2, 2], [2, 1, 0, 1])
    views = pd.concat([single.assign(impressions=1, clicks=0).iloc[[0]], single], ignore_index=True)
    views.loc[1, "impressions"] = 2
    pd.testing.assert_frame_equal(*(ab_test.compare(log, "clicks", tau=0.1) for log in (single, views)))


def test_columns_may_have_other_names(tmp_path: Path):
    path = tmp_path / "log.csv"
    make_log("or", [1, 1], [1, 0]).rename(columns={"arm": "variant"}).to_csv(path, index=False)
    assert set(ab_test.read_log(path, ["arm=variant"])["arm"]) == set(ab_test.ARMS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda log: log.drop(columns=["group", "clicks"]), "no column 'group' .*--map group=NAME --map clicks="),
        (lambda log: log.assign(arm=["original", "B", "original"]), "arm that is not original or rewritten in row 2"),
        (lambda log: log.assign(viewer=1), "a viewer of both arms in 3 rows"),
        (lambda log: log.assign(clicks=[0, 5, 0]), "more clicks than impressions in row 2"),
        (lambda log: log.assign(clicks=[0, -1, 0]), "a count that is no whole number from 0 in row 2"),
        (lambda log: log.assign(clicks=["0", "0.5", "none"]), "a count that is no whole number from 0 in 2 rows"),
        (lambda log: log.assign(group=["a", None, "b"]), "'group' is empty"),
        (lambda log: log.assign(arm="original"), "no row of the arm 'rewritten'"),
        (lambda log: log.head(0), "no rows"),
    ],
)
def test_bad_logs_are_refused(tmp_path: Path, change, message: str):
    path = tmp_path / "log.csv"
    change(make_log("oro", [2, 2, 2], [1, 0, 1])).to_csv(path, index=False)
    with pytest.raises(InputError, match=message) as error:
        ab_test.read_log(path)
    assert "\n" not in str(error.value)
