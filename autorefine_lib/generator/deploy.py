"""A user's ads rewritten: files in, one record an ad out, in their order, with a reason for each change and for none.

No ad is lost. One that cannot be rewritten (empty, in another language, nothing but headings) stays as it is, and its
record says why.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from autorefine_lib.data.read_files import FORMATS, read_table, read_text
from autorefine_lib.data.schema import LONGEST_TEXT, require_columns
from autorefine_lib.generator.generator import Generator, Rewrite
from autorefine_lib.text import gender_coded, sentences
from autorefine_lib.text.rewritable import explain_sentences, is_english
from autorefine_lib.text.tokens import WORD, words
from autorefine_lib.text.word_diff import word_diff

_ADS_AT_ONCE = 64  # so that the first records of a long file come soon, and batches are full all the same
_SHOWN = 3  # passages that a reason names
_LONGEST_PASSAGE = 40  # characters of each
_HTML = (".html", ".htm")
_BLOCK = "p|div|li|ul|ol|h[1-6]|td|th|tr|table|dd|dt|section|article|main|body|header|footer|br|hr"
_TAG = re.compile(
    r"<!--.*?-->|<(script|style|pre|code|head|textarea)\b.*?</\1\s*>|"
    rf"</?(?=[a-z!?])(?P<block>(?:{_BLOCK})\b)?(?:\"[^\"]*\"|'[^']*'|[^'\">])*>",
    re.IGNORECASE | re.DOTALL,
)


def read_ads(name: str, columns: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(job_id, ad) of each ad in a file: a CSV, JSONL or Parquet table with both columns, or a text that is one ad.

    "-" is standard input, one ad. A text's job_id is the file's name. An ad without text is "". `columns`: other names
    of columns in a table, as `read_files.read_tables` takes them.

    Raises:
        InputError: the file cannot be read, or lacks a column.
    """
    if Path(name).suffix in FORMATS:
        table = read_table(Path(name), columns)
        require_columns(table, ("job_id", "text"), name)
        rows = zip(table["job_id"], table["text"], strict=True)
        return [tuple("" if pd.isna(value) else str(value) for value in row) for row in rows]  # type: ignore[misc]
    return [(Path(name).name, read_text(name))]


def rewrite_ads(generator: Generator, ads: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """The record of each ad, in order.

    Args:
        generator: with it the likeliest answers are taken, so the same ads give the same records.
        ads: (job_id, ad) as `read_ads` gives them.

    Yields:
        job_id, original, rewrite; edits, a list of source, rewrite, position (the source's first character in the
        original) and reason; refused, a list of source, rewrite and guard (several with commas between them); note,
        why the ad stays as it is, or "".
    """
    for start in range(0, len(ads), _ADS_AT_ONCE):
        some = ads[start : start + _ADS_AT_ONCE]
        notes = [_explain_refusal(text) or _explain_length(text, generator) for _, text in some]
        parts = [[] if note else _find_prose(*ad) for ad, note in zip(some, notes, strict=True)]
        prose = [text[start:end] for (_, text), found in zip(some, parts, strict=True) for start, end in found]
        made = iter(generator.rewrite(prose, progress=sys.stderr.isatty()) if prose else [])
        for (job_id, text), found, note in zip(some, parts, notes, strict=True):
            yield _record(job_id, text, [(start, end, next(made)) for start, end in found], note)


def explain_edit(source: str, rewrite: str) -> str:
    """What kind of change an edit is, in words: gender-coded words that go or come, and the passages replaced."""
    before, after = (gender_coded.coded_words(text) for text in (source, rewrite))
    reasons = []
    for coding in gender_coded.CODINGS:
        gone, come = Counter(before[coding]), Counter(after[coding])
        for changed, way in ((gone - come, "out"), (come - gone, "in")):
            if changed:
                reasons.append(f"{coding}-coded words {way}: {', '.join(changed)}")
    passages = _passages(source, rewrite)
    more = f" and {len(passages) - _SHOWN} more" if len(passages) > _SHOWN else ""
    reasons.append("reworded: " + ", ".join(passages[:_SHOWN]) + more if passages else "only marks or letter case")
    return "; ".join(reasons)


def _find_prose(job_id: str, text: str) -> list[tuple[int, int]]:
    """(start, end) of what may be rewritten: all of a text; of an HTML file what stands between two tags of blocks."""
    if not job_id.lower().endswith(_HTML):
        return [(0, len(text))]
    # A passage beside <b> or <a> is a part of a sentence.
    tags = [(0, 0, True), *((tag.start(), tag.end(), bool(tag["block"] or tag[1])) for tag in _TAG.finditer(text))]
    tags.append((len(text), len(text), True))
    return [(end, start) for (_, end, one), (start, _, other) in pairwise(tags)
            if one and other and text[end:start].strip()]  # fmt: skip


def _record(job_id: str, text: str, parts: list[tuple[int, int, Rewrite]], note: str) -> dict[str, Any]:
    pieces, edits, refused, past = [], [], [], 0
    for start, end, made in parts:
        starts = [start, *(start + length for length in accumulate(map(len, sentences.split(text[start:end]))))]
        edits += [
            {
                "source": edit.source,
                "rewrite": edit.rewrite,
                "position": starts[max(edit.position, 0)],
                "reason": explain_edit(edit.source, edit.rewrite),
            }
            for edit in made.edits
        ]
        refused += [{"source": e.source, "rewrite": e.rewrite, "guard": ", ".join(e.refused)} for e in made.refused]
        pieces += [text[past:start], made.text]
        past = end
    note = note or ("" if edits else _explain_copy(text, parts))
    record = {"job_id": job_id, "original": text, "rewrite": "".join([*pieces, text[past:]])}
    return record | {"edits": edits, "refused": refused, "note": note}


def _explain_refusal(text: str) -> str:
    """Why an ad does not go to the generator; "" where it does."""
    if not text.strip():
        return "the ad is empty"
    if (size := len(text.encode("utf-8", errors="replace"))) > LONGEST_TEXT:
        return f"{size:,} bytes are no single ad; at most {LONGEST_TEXT:,} are allowed"
    if not WORD.search(text):
        return "the ad has no words"
    if len(text.split()) > 4 and not is_english(text):
        return "the ad is not in English (it has next to none of the frequent English words)"
    return ""


def _explain_length(text: str, generator: Generator) -> str:
    """Why the generator cannot read an ad as a whole; "" where it can, or reads one sentence at a time."""
    limit = getattr(generator.model.config, "max_position_embeddings", None)
    if generator.level == "sentence" or not limit:
        return ""
    tokens = len(generator.tokenizer(generator.prompt(text)).input_ids) + generator.max_new_tokens
    if tokens <= limit:
        return ""
    return f"{tokens:,} tokens with the answer are more than the {limit:,} that the model reads"


def _explain_copy(text: str, parts: list[tuple[int, int, Rewrite]]) -> str:
    """Why nothing changed in an ad that went to the generator."""
    left = Counter(reason for start, end, _ in parts for _, _, reason in explain_sentences(text[start:end]))
    refused = [edit for _, _, made in parts for edit in made.refused]
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


def _passages(source: str, rewrite: str) -> list[str]:
    """'old' -> 'new' for each passage in which a word changes; one side may be empty."""
    return [
        f"{_quoted(old.strip())} -> {_quoted(new.strip())}"
        for old, new in word_diff(source, rewrite)
        if words(old) != words(new)
    ]


def _quoted(text: str) -> str:
    return f"'{text if len(text) <= _LONGEST_PASSAGE else text[: _LONGEST_PASSAGE - 3] + '...'}'"
