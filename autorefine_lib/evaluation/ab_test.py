"""An A/B test of original against rewritten ads: how many views it needs, and what its log says, also while it runs.

Each viewer of a job board is put at random into one arm and sees the ads of that arm only. The viewer is the unit: the
views of one viewer are no independent trials, so every variance is taken between viewers (the delta method for a ratio
of two sums; Deng, Knoblich and Lu, 2018, KDD).

Who looks at a running test and stops when p < 0.05 raises many false alarms. The p value and the interval of the
mixture sequential probability ratio test hold at all looks together (mSPRT; Johari, Koomen, Pekelis and Walsh, 2022,
"Always valid inference", Operations Research 70(3)). The measured difference is taken as normal, so the first look
should have some hundred viewers.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from autorefine_lib.data import read_files, schema
from autorefine_lib.errors import InputError

ORIGINAL, REWRITTEN = ARMS = ("original", "rewritten")
COUNTS = ["impressions", "clicks", "applications"]
COLUMNS = ["viewer", "arm", "group", *COUNTS]
"""A row is one view, or several views of one viewer summed up; rows are in order of time. `viewer`: any name or number.
`arm`: one of `ARMS`. `group`: of the viewer, for instance a gender. `impressions`: ads shown; `clicks`: ads opened;
`applications`: ads applied for."""


def read_log(path: Path | str, columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a log with the columns `COLUMNS` from a CSV, JSONL or Parquet file; others are dropped.

    Args:
        path: the file.
        columns: "ours=theirs", as `read_files.read_tables` takes them.

    Raises:
        InputError: as `read_table`; no rows, a missing column, an empty cell, a count that is no whole number from 0,
            more clicks than impressions, an arm that is missing or unknown, or a viewer of both arms.
    """
    log = read_files.read_table(Path(path), columns)
    schema.check_table(log, COLUMNS, str(path))
    log = log[COLUMNS].assign(**log[COUNTS].apply(pd.to_numeric, errors="coerce"))
    faults = {
        "a count that is no whole number from 0": ~((log[COUNTS] >= 0) & (log[COUNTS] % 1 == 0)).all(axis=1),
        "more clicks than impressions": log["clicks"] > log["impressions"],
        f"an arm that is not {' or '.join(ARMS)}": ~log["arm"].isin(ARMS),
        "a viewer of both arms": log.groupby("viewer")["arm"].transform("nunique") > 1,
    }
    schema.refuse_rows(faults, str(path))
    if absent := set(ARMS) - set(log["arm"]):
        raise InputError(f"{path}: no row of the arm '{min(absent)}'; a comparison needs both")
    return log


def views_needed(rate: float, effect: float, design: float = 1.0, level: float = 0.05, power: float = 0.8) -> int:
    """Impressions in each arm at which a two-sided test finds `effect`, an absolute change of `rate`.

    The formula for two proportions (Fleiss, Levin and Paik, 2003, without continuity correction), times the design
    effect `design`: the variance of a rate over the one that it would have if all views were independent.

    Raises:
        InputError: a rate, before or after, that is not between 0 and 1, or no effect.
    """
    rates = np.array([rate, rate + effect])
    if not ((rates > 0) & (rates < 1)).all() or not effect:
        raise InputError(f"rates {rates[0]:g} and {rates[1]:g}: give two that differ, between 0 and 1")
    under_null, under_effect = 2 * rates.mean() * (1 - rates.mean()), (rates * (1 - rates)).sum()
    reach = stats.norm.ppf(1 - level / 2) * under_null**0.5 + stats.norm.ppf(power) * under_effect**0.5
    return int(np.ceil(design * (reach / effect) ** 2))


def compare(log: pd.DataFrame, outcome: str, tau: float, looks: int = 1, level: float = 0.05) -> pd.DataFrame:
    """The change of a rate, `outcome` an impression, at `looks` evenly spaced numbers of viewers; the last has all.

    Columns: viewers; original and rewritten (the rates); effect (their difference); se; design (as in `views_needed`);
    p_fixed, low_fixed and high_fixed (normal, right for one look that was planned); p_always, low_always and
    high_always (mSPRT, right at all looks).

    Args:
        log: as `read_log` returns it; a viewer counts from the first row, with all rows.
        outcome: "clicks" or "applications".
        tau: standard deviation of the effects to be expected, in units of the rate. The error rate holds with any; a
            tau near the true effect finds it soonest.
    """
    viewers = log.groupby("viewer", sort=False).agg({"arm": "first", "impressions": "sum", outcome: "sum"})
    ends = np.linspace(0, len(viewers), looks + 1)[1:].astype(int) - 1
    x, y = (viewers[name].to_numpy(float) for name in ("impressions", outcome))
    table, variance, plain = pd.DataFrame({"viewers": ends + 1}), 0.0, 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        for arm in ARMS:
            mine = (viewers["arm"] == arm).to_numpy()
            n, sx, sy, sxx, sxy, syy = (np.cumsum(mine * part)[ends] for part in (1, x, y, x * x, x * y, y * y))
            rate = table[arm] = sy / sx
            variance += (syy - 2 * rate * sxy + rate**2 * sxx) / sx**2 * n / (n - 1)
            plain += rate * (1 - rate) / sx
        effect = table["effect"] = table[REWRITTEN] - table[ORIGINAL]
        table["se"], table["design"] = variance**0.5, variance / plain
        table["p_fixed"] = 2 * stats.norm.sf(effect.abs() / table["se"])
        # Normal effects with variance tau^2 against none: without one the ratio ever exceeds 1/p with chance p at most.
        wide = variance + tau**2
        log_ratio = np.log(variance / wide) / 2 + (tau * effect) ** 2 / (2 * variance * wide)
        table["p_always"] = np.exp(-log_ratio).fillna(1).clip(upper=1).cummin()
        reach = (variance * wide / tau**2 * (np.log(wide / variance) - 2 * np.log(level))) ** 0.5
    for name, half in {"fixed": stats.norm.ppf(1 - level / 2) * table["se"], "always": reach}.items():
        table[f"low_{name}"], table[f"high_{name}"] = effect - half, effect + half
    return table.assign(low_always=table["low_always"].cummax(), high_always=table["high_always"].cummin())
