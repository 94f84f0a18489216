"""Who belongs to which group: one attribute of the candidates, or the intersection of several.

Nobody is dropped: a candidate without a value is counted as "unknown" (6 RCNY § 5-301(b) and (c) want their number
shown, § 5-303 wants it published), and an intersection lists every combination of its columns' groups, also those
without a member.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.errors import InputError

UNKNOWN = "unknown"
"""The group of the candidates without a value: missing, blank, or one of `NO_VALUE` in any case."""
NO_VALUE = [UNKNOWN, "nan", "na", "n/a", "null", ""]
"""What stands in files where there is no value: R writes NA, others write NaN or null."""
AND = " & "
"""Between the columns of an intersection's name and between the values of its groups' names."""
MOST_GROUPS = 200
"""Groups that one attribute may have; more than that is a column of names or numbers, not of groups."""


@dataclass(frozen=True)
class Groups:
    """One attribute's groups and who is in them."""

    attribute: str
    """The column's name; of an intersection all their names: "gender & race"."""
    names: list[str]
    """Sorted, of an intersection in the order of its columns; the last is `UNKNOWN`, whether anybody is or not."""
    codes: np.ndarray
    """Index into `names` of each candidate, int [candidates]."""

    @property
    def sizes(self) -> np.ndarray:
        """Candidates of each group, int [names]."""
        return np.bincount(self.codes, minlength=len(self.names))


def of(candidates: Dataset, attribute: str | Sequence[str]) -> Groups:
    """The groups of a column, or of the intersection of several columns.

    Args:
        attribute: a column's name, or two or more of them: ("gender", "race") has groups like "female & white". Whoever
            lacks one of the values is unknown.

    Raises:
        InputError: no such column, a column of which all is unknown, more than `MOST_GROUPS` groups, or
            two combinations that would get the same name.
    """
    columns = [attribute] if isinstance(attribute, str) else list(attribute)
    parts = [_column(candidates, column) for column in columns]
    name = AND.join(columns)
    if (count := prod(len(values) for values, _ in parts)) > MOST_GROUPS:
        raise InputError(f"{name!r} has {count} groups, more than {MOST_GROUPS}; put values together in fewer groups")
    names = [AND.join(values) for values in product(*(values for values, _ in parts))]
    if len(set(names)) < len(names):
        doubled = next(group for group in names if names.count(group) > 1)
        raise InputError(f"two groups of {name!r} are both called {doubled!r}; rename values that hold {AND!r}")
    codes = np.ravel_multi_index([np.maximum(code, 0) for _, code in parts], [len(values) for values, _ in parts])
    known = np.all([code >= 0 for _, code in parts], axis=0)
    return Groups(name, [*names, UNKNOWN], np.where(known, codes, len(names)))


def find_members(candidates: Dataset, attribute: str | Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The groups that somebody is in, and who: bool [groups, candidates]. The unknown are in none. Raises as `of`."""
    found = of(candidates, attribute)
    there = np.flatnonzero(found.sizes[:-1])
    return [found.names[number] for number in there], found.codes == there[:, None]


def check_group(name: str, names: Sequence[str]) -> None:
    """Raise InputError for a group that is not one of `names`."""
    if name not in names:
        raise InputError(f"group {name!r} is not one of {', '.join(map(str, names))}")


def _column(candidates: Dataset, column: str) -> tuple[list[str], np.ndarray]:
    """The sorted values of a column as text, and each candidate's index among them, -1 where unknown."""
    if column not in candidates.column_names:
        raise InputError(f"candidates have no column {column!r}; they have {', '.join(candidates.column_names)}")
    values = pd.Series(candidates[column][:], dtype=object).map(str, na_action="ignore").str.strip()
    known = values.where(~values.str.lower().isin(NO_VALUE), None)
    codes, names = pd.factorize(known, sort=True)
    if not len(names):
        raise InputError(f"all candidates are unknown in column {column!r}; give at least some candidates a value")
    return names.tolist(), codes
