"""What is wrong with a user's ads and candidates, in plain words, before anything is trained or rewritten.

Every finding is a line that names file, rows and what to do. Texts and personal data are never repeated in it.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from autorefine_lib.data import read_files, schema
from autorefine_lib.errors import InputError
from autorefine_lib.text import near_duplicates, sentences
from autorefine_lib.text.rewritable import WINDOW, find_window_end, is_english

FEWEST = 5
"""Candidates of a group in an occupation below which a ratio among them says little."""
_FEWEST_SENTENCES = 3
_PERSONAL = {
    "an e-mail address": r"[\w.+-]+@[\w-]+\.\w",
    "a telephone number": r"(?<![\w.,])(?:\+|\(|\b0)[\d\s()./-]{7,}\d|\b\d{3}[-. ]\d{3}[-. ]\d{4}\b",
    "a personal page": r"(?:linkedin\.com/in|facebook\.com|instagram\.com|twitter\.com|github\.com|//x\.com)/\w",
    "a date of birth": r"(?i)\bborn (?:on|in) [\w, ]*\d{4}|\bdate of birth\b|\bD\.?O\.?B\b",
    "a social security number": r"\b\d{3}-\d{2}-\d{4}\b",
}
_HTML = r"</?[a-zA-Z][\w-]*(?:\s[^<>]*)?/?>|&(?:#\d+|#x[0-9a-fA-F]+|[a-zA-Z]{2,8});"


def check_files(
    names: Sequence[str], groups: Sequence[str] = ("gender",), columns: Sequence[str] = (), values: Sequence[str] = ()
) -> list[str]:
    """The findings of all files, a line each.

    Args:
        names: tables of ads or of candidates (those with candidate_id or a column of `groups`), or texts, one ad each.
        groups: columns of the candidates that name their groups.
        columns, values: other names of columns and values, as `read_files.read_tables` takes them.

    Raises:
        InputError: a file cannot be read, has no rows, or has no column text.
    """
    paths = [Path(name) for name in names]
    in_tables = [path for path in paths if read_files.is_table(path)]
    tables = dict(zip(in_tables, read_files.read_tables(in_tables, columns, values), strict=True))
    ads: list[pd.DataFrame] = []
    people: list[pd.DataFrame] = []
    findings = []
    for path in paths:
        table = tables[path] if path in tables else _read_ad(path)
        of_people = not {"candidate_id", *groups}.isdisjoint(table.columns)
        schema.require_columns(table, ["text"], str(path))
        if table.empty:
            raise InputError(f"{path}: no rows; at least one is needed")
        (people if of_people else ads).append(table)
        found: list[str] = []
        for column in ["candidate_id", "occupation", *groups] if of_people else ["job_id"]:
            missing = [f"no column '{column}'; add it, or give --map {column}=YOURS"]
            found += schema.find_faults(table[column].map(str, na_action="ignore")) if column in table else missing
        texts = table["text"].fillna("").map(str)
        same = pd.Series(near_duplicates.group_texts(list(texts.str[: schema.LONGEST_TEXT])), index=table.index)
        found += _check_texts(texts, same, of_people, path.suffix.lower() in (".html", ".htm"))
        same = same.where(texts.str.strip() != "")
        found += _check_groups(table, groups) if of_people else _check_splits(table, same)
        findings += [f"{path}: {line}" for line in found]
    if ads and people:
        wanted, known = ({name for table in tables for name in table.get("occupation", pd.Series(dtype=str)).dropna()}
                         for tables in (ads, people))  # fmt: skip
        if wanted - known:
            findings.append(f"no candidate has the occupation {_list(wanted - known)} of the ads; use one name in both")
    return findings


def _read_ad(path: Path) -> pd.DataFrame:
    return pd.DataFrame({"job_id": [path.name], "text": [read_files.read_text(path)]})


def _list(names: set[str]) -> str:
    shown = ", ".join(map(repr, sorted(map(str, names))[:5]))
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _check_texts(texts: pd.Series, same: pd.Series, of_people: bool, is_html: bool) -> list[str]:
    """What is wrong with the texts themselves, of people or of ads; `same` numbers near-duplicates alike."""
    huge, texts = texts.str.len() > schema.LONGEST_TEXT, texts.str[: schema.LONGEST_TEXT]
    blank = texts.str.strip() == ""
    ends = texts.map(find_window_end)
    heads = pd.Series([text[:end] for text, end in zip(texts, ends, strict=True)], index=texts.index)
    long = ends < texts.str.len()
    plain = texts.map(near_duplicates.normalize)
    copies = plain.duplicated() & (plain != "")
    short = texts.map(lambda text: sum(bool(part.strip()) for part in sentences.split(text)[::2]) < _FEWEST_SENTENCES)
    foreign = ~texts.map(lambda text: len(text.split()) <= 4 or is_english(text))
    found = [
        (huge, f"the text has over {schema.LONGEST_TEXT:,} characters in", "check that each is a text of its own"),
        (blank, "the text is empty in", "fill it in or remove them"),
        (copies, "the text repeats another word for word in", "remove the copies"),
        (same.duplicated() & ~copies & ~blank, "the text is nearly the same as another in", "keep one of each"),
        (foreign & ~blank, "the text is not in English in", "remove them; only English is rewritten"),
        (long, f"the text is longer than the {WINDOW} tokens that MiniLM reads in", "put what matters first"),
        (heads.duplicated() & long & ~copies, "the part that MiniLM reads is the same as another's in", "shorten them"),
    ]
    if not of_people:
        found.append((short & ~blank, f"the ad has fewer than {_FEWEST_SENTENCES} sentences in", "give whole ads"))
    if not is_html:
        found.append((texts.str.contains(_HTML), "the text has left-overs of HTML in", "save it as plain text"))
    # An ad may say where to apply, but a person's own address is not a company's.
    personal = _PERSONAL if of_people else {"a person's e-mail address": r"(?i)\b[a-z]+\.[a-z]+@[\w-]+\.\w"}
    found += [(texts.str.contains(pattern), f"the text has {what} in", "take it out")
              for what, pattern in personal.items()]  # fmt: skip
    return [f"{what} {schema.name_rows(mask)}; {remedy}" for mask, what, remedy in found if mask.any()]


def _check_splits(table: pd.DataFrame, same: pd.Series) -> list[str]:
    """Ads that are nearly the same, or of one company, and stand in several splits."""
    if "split" not in table:
        return []
    findings = [f"split {name!r} is none of {', '.join(schema.SPLITS)}; rename it"
                for name in sorted(set(table["split"].map(str)) - set(schema.SPLITS))]  # fmt: skip
    for what, key in (("nearly the same text", same), ("the same company", table.get("company"))):
        if key is None:
            continue
        leaks = table["split"].groupby(key).transform("nunique") > 1
        if leaks.any():
            findings.append(f"ads with {what} stand in several splits in {schema.name_rows(leaks)}; put them in one")
    return findings


def _check_groups(table: pd.DataFrame, groups: Sequence[str]) -> list[str]:
    """Groups that are too small, or that are one group under two spellings."""
    findings = []
    for column in [name for name in groups if name in table]:
        sizes = table[column].dropna().map(str).value_counts()
        alike = pd.Series(sizes.index).groupby(sizes.index.str.strip().str.lower()).agg(list)
        findings += [f"'{column}' has {_list(set(same))}, which differ by capitals and spaces only; use one"
                     for same in alike if len(same) > 1]  # fmt: skip
        if len(sizes) == 1:
            findings.append(f"'{column}' has the one group {sizes.index[0]!r}; a ratio compares two or more")
        if len(sizes) > schema.MOST_GROUPS:
            findings.append(f"'{column}' has {len(sizes)} groups; join the small ones, or check that it is the column")
        findings += [f"'{column}' has {size} of {name!r} in all; at least {FEWEST} are needed"
                     for name, size in sizes.items() if size < FEWEST]  # fmt: skip
        if "occupation" in table:
            counts = pd.crosstab(table["occupation"], table[column])
            few = set(counts.index[(counts < FEWEST).any(axis=1)])
            if few:
                findings.append(
                    f"fewer than {FEWEST} candidates of a group of '{column}' in the occupation {_list(few)}; bring "
                    "more: a ratio among so few says little"
                )
    return findings
