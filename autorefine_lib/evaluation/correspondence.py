"""A correspondence study of the recommender: the same texts under names drawn at random, so that the name is the cause.

Bertrand and Mullainathan (2004, American Economic Review 94(4), 991-1013) sent the same résumés out under names drawn
at random, and many have since. Here the names stand in front of the texts of the candidates, who all compete. A *cell*
is a combination of all attributes, such as "female & Black & 50-69"; each has openings of its own. In one *draw* every
person gets a cell, all cells as often, and an opening of it. Draws are repeated and their counts averaged, because one
draw shows also which people got the name: what a ratio does from draw to draw is the noise of a single study.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib import resources
from autorefine_lib.data import read_files, schema
from autorefine_lib.errors import InputError
from autorefine_lib.metrics import bootstrap, groups, ranking
from autorefine_lib.recommender.scores import selection

ATTRIBUTES = ["gender", "race", "age_band"]
N_BOOT = 2000
"""Resamples."""


@dataclass(frozen=True)
class Draws:
    """Who was selected under which opening, in each draw."""

    openings: pd.DataFrame
    """As for `open_texts`."""
    selected: np.ndarray
    """Expected number, float [draws, ads, openings]."""
    people: np.ndarray
    """Who had the opening, float [draws, openings]."""


def read_names(path: str = "") -> pd.DataFrame:
    """First names, one row each: name, gender, race and, where the list tells it, age_band.

    Args:
        path: a table with these columns; "" takes the list of Bertrand and Mullainathan (`resources/first_names.json`).

    Raises:
        InputError: as `read_files.read_table` and `schema.select_columns`, or a combination of groups without a name.
    """
    table = read_files.read_table(Path(path)) if path else pd.DataFrame(resources.load("first_names")["names"])
    attributes = [name for name in ATTRIBUTES if name != "age_band" or name in table]
    names = schema.select_columns(table, ["name", *attributes], path)
    cells = groups.of(names, attributes)
    if not cells.sizes[:-1].all():
        raise InputError(f"{path}: no name for {cells.names[cells.sizes.argmin()]!r}; give at least one for each group")
    return names.to_pandas()


def open_texts(candidates: Dataset, openings: pd.DataFrame, seed: int = 0) -> tuple[Dataset, np.ndarray]:
    """Every candidate once for each cell, with an opening of it, drawn at random, in front of the text.

    So all groups hold the same people. Where an ad selects k of them times the number of cells, it selects what many
    draws have in common; a search ranks this pool.

    Args:
        candidates: with texts that tell no group (`rivals.neutralize`).
        openings: one row each: opening, name, and those of `ATTRIBUTES` that it tells.

    Returns:
        The texts, candidate after candidate, with the person's candidate_id and the attributes of the opening; and
        which opening each has, rows of `openings`, int [candidates, cells].
    """
    rng, attributes = np.random.default_rng(seed), [name for name in ATTRIBUTES if name in openings]
    given = np.stack([rng.choice(cell.index, len(candidates)) for _, cell in openings.groupby(attributes)], axis=1)
    of_each = openings.iloc[given.ravel()].reset_index(drop=True)
    table = candidates.select_columns(list(schema.CANDIDATE_COLUMNS)).to_pandas()
    table = table.loc[table.index.repeat(given.shape[1])].reset_index(drop=True)
    table["text"] = of_each["opening"] + " " + table["text"]
    return Dataset.from_pandas(table.join(of_each[attributes]), preserve_index=False), given


def draw_names(scores: np.ndarray, given: np.ndarray, openings: pd.DataFrame, k: int, draws: int, seed: int) -> Draws:
    """Give every person a cell at random, again and again, and count whom the ads select.

    The same seed gives the same draws, whatever the scores: so texts with and without names, or ads before and after,
    are compared person by person.

    Args:
        scores: of the texts from `open_texts`, float [ads, candidates * cells].
        given: the openings, from there.

    Raises:
        InputError: k is not between 1 and the number of people.
    """
    people, cells = given.shape
    wide, everyone, rng = scores.reshape(len(scores), people, cells), np.arange(people), np.random.default_rng(seed)
    selected, there = np.zeros((draws, len(scores), len(openings))), np.zeros((draws, len(openings)))
    for draw in range(draws):
        cell = rng.permutation(everyone % cells)
        belongs = given[everyone, cell][:, None] == np.arange(len(openings))
        selected[draw], there[draw] = selection(wide[:, everyone, cell], k) @ belongs, belongs.sum(0)
    return Draws(openings, selected, there)


def resample(draws: Draws, attribute: str | Sequence[str], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Selected and available by group, as measured and resampled, float [1 + `N_BOOT`, groups], the mean of the draws.

    Ads are resampled and, independently of them, the names of each gender and race (Owen, 2007, as in `bootstrap`): a
    finding is to hold for other ads and for other names of the kind. The same seed gives the same resamples.
    """
    rng, selected = np.random.default_rng(seed), draws.selected.mean(0)
    ads = np.vstack([np.ones(len(selected)), bootstrap.draw_weights(rng, len(selected), N_BOOT)])
    names = np.ones((1 + N_BOOT, len(draws.openings)))
    for _, listed in draws.openings.groupby(["gender", "race"]):
        codes, own = pd.factorize(listed["name"])
        names[1:, listed.index] = bootstrap.draw_weights(rng, len(own), N_BOOT)[:, codes]
    members = _find_groups(draws, attribute)[1]
    return names * (ads @ selected) @ members, names * ads.sum(1, keepdims=True) * draws.people.mean(0) @ members


def compare_groups(named: Draws, nameless: Draws, attribute: str | Sequence[str], seed: int = 0) -> pd.DataFrame:
    """What the names do to each group of an attribute, or of the intersection of several.

    Args:
        named, nameless: the same draws, of texts with an opening and of texts without.

    Returns:
        One row a group: attribute, group; reference, the group of the highest rate over all draws; ads, people (of the
        group in one draw); rate, impact_ratio to the reference; draw_low and draw_high, 95 % of it in single draws;
        floor_low and floor_high, the same without names; effect, the rate over that of the same people without names
        (they all compete, so one group's gain is another's loss), and its p_value. `<column>_low` and `<column>_high`
        of impact_ratio and effect are 95 % limits by `resample`.
    """
    divided, members = _find_groups(named, attribute)
    (selected, available), plain = resample(named, attribute, seed), resample(nameless, attribute, seed)
    best = ranking.most_selected(selected[0] / available[0])
    with np.errstate(divide="ignore", invalid="ignore"):  # resampled, a small group may have nobody
        effects = selected / available / (plain[0] / plain[1])
    table = pd.DataFrame({"group": divided.names[:-1], "attribute": divided.attribute})
    table["reference"], table["rate"] = divided.names[best], selected[0] / available[0]
    table["ads"], table["people"] = named.selected.shape[1], named.people.mean(0) @ members
    for column, found in {"impact_ratio": ranking.impact_ratios(selected, available, best), "effect": effects}.items():
        table = table.join(pd.DataFrame([bootstrap.percentile(of_group).columns(column) for of_group in found.T]))
    for column, draws in {"draw": named, "floor": nameless}.items():
        single = ranking.impact_ratios(draws.selected.mean(1) @ members, draws.people @ members, best)
        table[[f"{column}_low", f"{column}_high"]] = np.nanquantile(single, [0.025, 0.975], axis=0).T
    return table.assign(p_value=[find_p_value(of_group - 1) for of_group in effects.T])


def find_p_value(statistics: np.ndarray) -> float:
    """Two-sided p value of resampled statistics, the first of them the measured one, for 0; NaN where none is defined.

    Twice the share of them beyond 0 (Efron and Tibshirani, 1993, chapter 15), the measured one added to be never 0.
    """
    resampled = statistics[1:][np.isfinite(statistics[1:])]
    beyond = min((resampled <= 0).sum(), (resampled >= 0).sum())
    return min(1.0, 2 * (1 + beyond) / (1 + len(resampled))) if len(resampled) else float("nan")


def _find_groups(draws: Draws, attribute: str | Sequence[str]) -> tuple[groups.Groups, np.ndarray]:
    """The groups of an attribute, and which openings are theirs, float [openings, groups]."""
    divided = groups.of(Dataset.from_pandas(draws.openings, preserve_index=False), attribute)
    return divided, np.eye(len(divided.names))[divided.codes][:, :-1]
