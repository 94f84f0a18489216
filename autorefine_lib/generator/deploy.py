"""A user's ads rewritten: files in, one record an ad out, in their order, with a reason for each change and for none.

No ad is lost. One that cannot be rewritten (empty, in another language, nothing but headings) stays as it is, and its
record says why.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from autorefine_lib.data.read_files import is_table, read_tables, read_text
from autorefine_lib.data.schema import LONGEST_TEXT, require_columns
from autorefine_lib.errors import InputError
from autorefine_lib.generator.generator import Edit, Generator
from autorefine_lib.text import gender_coded, sentences
from autorefine_lib.text.rewritable import explain_sentences, is_english
from autorefine_lib.text.tokens import WORD, words
from autorefine_lib.text.word_diff import word_diff

_COLUMNS = ["job_id", "text", "occupation"]
_ADS_AT_ONCE = 16  # so that the first records of a long file come soon, and batches are full all the same
_SHOWN = 3  # passages that a reason names
_LONGEST_PASSAGE = 40  # characters of each
_HTML = (".html", ".htm")
_BLOCK = "p|div|li|ul|ol|h[1-6]|td|th|tr|table|dd|dt|section|article|main|body|header|footer|br|hr"
_TAG = re.compile(
    r"<!--.*?-->|<(script|style|pre|code|head|textarea)\b.*?</\1\s*>|"
    rf"</?(?=[a-z!?])(?P<block>(?:{_BLOCK})\b)?(?:\"[^\"]*\"|'[^']*'|[^'\">])*>",
    re.IGNORECASE | re.DOTALL,
)


def read_ads(
    names: Sequence[str], columns: Sequence[str] = (), values: Sequence[str] = (), others: Sequence[Path] = ()
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """The ads of files, one row each: job_id, text and occupation, "" where there is none.

    A file is a CSV, JSONL or Parquet table with job_id and text, or a text that is one ad; its job_id is the file's
    name. "-" is standard input, one ad.

    Args:
        names: the files.
        columns, values: other names of columns and values in tables, as `read_files.read_tables` takes them.
        others: tables of something else to be read with the same names, returned beside the ads.

    Raises:
        InputError: as `read_files.read_tables`, a file cannot be read, or lacks a column.
    """
    paths = [*(Path(name) for name in names if is_table(name)), *others]
    tables, found = iter(read_tables(paths, columns, values) if paths else []), []
    for name in names:
        if is_table(name):
            table = next(tables)
        else:
            table = pd.DataFrame({"job_id": [Path(name).name], "text": [read_text(name)]})
        require_columns(table, _COLUMNS[:2], name)
        if table.empty:
            raise InputError(f"{name}: no rows; at least one is needed")
        found.append(table.reindex(columns=_COLUMNS).astype(object))
    return pd.concat(found, ignore_index=True).fillna("").map(str), list(tables)


def rewrite_ads(
    generator: Generator, ads: Sequence[tuple[str, str]], done: int = 0, progress: bool = False
) -> Iterator[dict[str, Any]]:
    """The record of each ad, in order, without those of the first `done`.

    Args:
        generator: with it the likeliest answers are taken, so the same ads give the same records.
        ads: (job_id, ad).
        done: the other records are the same whatever it is.
        progress: whether a bar is shown.

    Yields:
        job_id, original, rewrite; edits, a list of source, rewrite, position (the source's first character in the
        original) and reason; refused, a list of source, rewrite and guard (several with commas between them); note,
        why the ad stays as it is, or "".
    """
    for start in range(done - done % _ADS_AT_ONCE if done < len(ads) else done, len(ads), _ADS_AT_ONCE):
        some = ads[start : start + _ADS_AT_ONCE]
        notes = [explain_refusal(text, generator) for _, text in some]
        parts = [[] if note else find_prose(*ad) for ad, note in zip(some, notes, strict=True)]
        prose = [text[start:end] for (_, text), found in zip(some, parts, strict=True) for start, end in found]
        made = iter(generator.rewrite(prose, progress=progress) if prose else [])
        for number, ((job_id, text), found, note) in enumerate(zip(some, parts, notes, strict=True), start):
            rewrites = [(start, text[start:end], next(made)) for start, end in found]
            edits = [(start + sentences.find_starts(part)[max(edit.position, 0)], edit)
                     for start, part, rewrite in rewrites for edit in rewrite.edits]  # fmt: skip
            refused = [edit for *_, rewrite in rewrites for edit in rewrite.refused]
            note = note or ("" if edits else explain_copy([part for _, part, _ in rewrites], refused))
            if number >= done:
                yield make_record(job_id, text, edits, refused, note)


def explain_edit(source: str, rewrite: str) -> str:
    """What kind of change an edit is, in words: gender-coded words that go or come, and the passages replaced."""
    before, after = (gender_coded.coded_words(text) for text in (source, rewrite))
    reasons = []
    for coding in gender_coded.CODINGS:
        gone, come = Counter(before[coding]), Counter(after[coding])
        for changed, way in ((gone - come, "out"), (come - gone, "in")):
            if changed:
                reasons.append(f"{coding}-coded words {way}: {', '.join(changed)}")
    pieces = [(old.strip(), new.strip()) for old, new in word_diff(source, rewrite) if words(old) != words(new)]
    passages = [f"{_quoted(old)} -> {_quoted(new)}" for old, new in pieces]
    more = f" and {len(passages) - _SHOWN} more" if len(passages) > _SHOWN else ""
    reasons.append("reworded: " + ", ".join(passages[:_SHOWN]) + more if passages else "only marks or letter case")
    return "; ".join(reasons)


def find_prose(job_id: str, text: str) -> list[tuple[int, int]]:
    """(start, end) of what may be rewritten: all of a text; of an HTML file what stands between two tags of blocks."""
    if not job_id.lower().endswith(_HTML):
        return [(0, len(text))]
    # A passage beside <b> or <a> is a part of a sentence.
    tags = [(0, 0, True), *((tag.start(), tag.end(), bool(tag["block"] or tag[1])) for tag in _TAG.finditer(text))]
    tags.append((len(text), len(text), True))
    return [(end, start) for (_, end, one), (start, _, other) in pairwise(tags)
            if one and other and text[end:start].strip()]  # fmt: skip


def blank_tags(job_id: str, text: str) -> str:
    """What people and recommenders read of an ad, each character at its place: tags of HTML are white space.

    Tabs in what is not `find_prose` keep its sentences from being rewritten (`rewritable.explain_leaving`).
    """
    blank = _TAG.sub(lambda tag: ("\n" if tag["block"] or tag[1] else " ") * len(tag[0]), text)
    seen = list(blank.replace(" ", "\t"))
    for start, end in find_prose(job_id, text):
        seen[start:end] = text[start:end]
    return "".join(seen)


def make_record(job_id: str, text: str, edits: list[tuple[int, Edit]], refused: list[Edit], note: str) -> dict:
    """The record of an ad, as `rewrite_ads` yields it; each edit with the place of its source in the text, in order."""
    pieces, past = [], 0
    for start, edit in edits:
        pieces += [text[past:start], edit.rewrite]
        past = start + len(edit.source)
    found = [
        {"source": e.source, "rewrite": e.rewrite, "position": start, "reason": explain_edit(e.source, e.rewrite)}
        for start, e in edits
    ]
    left = [{"source": e.source, "rewrite": e.rewrite, "guard": ", ".join(e.refused)} for e in refused]
    record = {"job_id": job_id, "original": text, "rewrite": "".join([*pieces, text[past:]])}
    return record | {"edits": found, "refused": left, "note": note}


def explain_refusal(text: str, generator: Generator) -> str:
    """Why an ad does not go to the generator; "" where it does."""
    if not text.strip():
        return "the ad is empty"
    if (size := len(text.encode("utf-8", errors="replace"))) > LONGEST_TEXT:
        return f"{size:,} bytes are no single ad; at most {LONGEST_TEXT:,} are allowed"
    if not WORD.search(text):
        return "the ad has no words"
    if len(text.split()) > 4 and not is_english(text):
        return "the ad is not in English (it has next to none of the frequent English words)"
    return _explain_length(text, generator)


def _explain_length(text: str, generator: Generator) -> str:
    """Why the generator cannot read an ad as a whole; "" where it can, or reads one sentence at a time."""
    limit = getattr(generator.model.config, "max_position_embeddings", None)
    if generator.level == "sentence" or not limit:
        return ""
    tokens = len(generator.tokenizer(generator.prompt(text)).input_ids) + generator.max_new_tokens
    if tokens <= limit:
        return ""
    return f"{tokens:,} tokens with the answer are more than the {limit:,} that the model reads"


def explain_copy(parts: Sequence[str], refused: Sequence[Edit]) -> str:
    """Why nothing changed in an ad that went to the generator in these parts."""
    left = Counter(reason for part in parts for _, _, reason in explain_sentences(part))
    asked = left.pop(None, 0)
    if not asked and not refused:
        return f"nothing to rewrite: {_counted(left) or 'no text between tags of blocks'}"
    guards = Counter(guard for edit in refused for guard in edit.refused)
    reasons = [f"rewrites refused: {len(refused)} ({_counted(guards)})"] if refused else []
    if asked > len(refused):
        reasons.append(f"sentences that the model left as they are: {asked - len(refused)}")
    return "; ".join(reasons)


def _counted(reasons: Counter) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())


def _quoted(text: str) -> str:
    return f"'{text if len(text) <= _LONGEST_PASSAGE else text[: _LONGEST_PASSAGE - 3] + '...'}'"
