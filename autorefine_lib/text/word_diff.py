"""What a rewrite changed, word by word: as a list, as HTML for notebooks and reports, as text for a terminal."""

import html
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import chain
from typing import Literal, NamedTuple

Kind = Literal["equal", "delete", "insert"]
_UNIT = re.compile(r"(\w+|[^\w\s]|)(\s*)")
# difflib looks at each word's occurrences on the other side, again for every block that it finds. Where this product
# is larger (some 3 s; texts of thousands of words), whole sentences are compared first, and if these are too many as
# well, the passage counts as replaced.
_MOST_COMPARISONS = 100_000_000
# Blue and orange of Okabe and Ito's palette (2008, "Color Universal Design"), as light grounds; what is struck out and
# what is underlined can be told without any colour.
_STYLES = {
    "delete": ("del", "background:#fbe3c4;color:#7a3b00;text-decoration:line-through"),
    "insert": ("ins", "background:#cfe6f5;color:#003a63;text-decoration:underline"),
}
_MARKS = {"delete": ("[-", "-]", "\033[33;9m"), "insert": ("{+", "+}", "\033[34;4m")}


class _Unit(NamedTuple):
    word: str  # a word or a mark; "" before leading white space
    space: str  # the white space behind it


def word_diff(original: str, rewrite: str) -> list[tuple[Kind, str]]:
    """The pieces of both texts in order, (kind, text), with as much kept as difflib finds.

    "equal" and "delete" pieces put together are exactly `original`, "equal" and "insert" pieces exactly `rewrite`.
    Of a replaced passage the "delete" piece comes first. Words and marks are whole; two texts that share almost
    nothing and are very long come back as one deletion and one insertion.
    """
    old, new = _units(original), _units(rewrite)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    changed = _compare(old[head : len(old) - tail], new[head : len(new) - tail])
    return _merged([("equal", _text(old[:head])), *changed, ("equal", _text(old[len(old) - tail :]))])


def to_html(pieces: Sequence[tuple[Kind, str]]) -> str:
    """`word_diff`'s pieces as an HTML fragment: the text escaped, deletions struck out, insertions underlined."""
    body = []
    for kind, text in pieces:
        tag, style = _STYLES.get(kind, ("", ""))
        escaped = html.escape(text)
        body.append(f'<{tag} style="{style}">{escaped}</{tag}>' if tag else escaped)
    return f'<div style="white-space:pre-wrap">{"".join(body)}</div>'


def to_text(pieces: Sequence[tuple[Kind, str]], colour: bool = False) -> str:
    """`word_diff`'s pieces as text: deletions in [-...-], insertions in {+...+}, as `git diff --word-diff` has them.

    Args:
        colour: with ANSI colours too, for a terminal.
    """
    parts = []
    for kind, text in pieces:
        before, after, code = _MARKS.get(kind, ("", "", ""))
        # A text may hold control sequences of its own, which a terminal would obey.
        shown = "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
        marked = before + shown + after
        parts.append(f"{code}{marked}\033[0m" if colour and code else marked)
    return "".join(parts)


def _units(text: str) -> list[_Unit]:
    return [_Unit(*groups) for groups in _UNIT.findall(text) if groups != ("", "")]


def _text(units: Sequence[_Unit]) -> str:
    return "".join(unit.word + unit.space for unit in units)


def _common(old: Sequence[_Unit], new: Sequence[_Unit]) -> int:
    """How many units both begin with."""
    count = 0
    for a, b in zip(old, new, strict=False):
        if a != b:
            break
        count += 1
    return count


def _compare(old: list[_Unit], new: list[_Unit], may_group: bool = True) -> Iterator[tuple[Kind, str]]:
    """The pieces of two passages; sentence by sentence first where words are too many, if `may_group`."""
    opcodes = _opcodes([unit.word for unit in old], [unit.word for unit in new])
    if opcodes is None:
        yield from _compare_sentences(_sentences(old), _sentences(new)) if may_group else _replaced(old, new)
        return
    for tag, i, i_end, j, j_end in opcodes:
        if tag != "equal":
            yield from _replaced(old[i:i_end], new[j:j_end])
            continue
        for a, b in zip(old[i:i_end], new[j:j_end], strict=True):
            yield "equal", a.word
            yield from _replaced([_Unit("", a.space)], [_Unit("", b.space)])


def _compare_sentences(old: list[tuple[_Unit, ...]], new: list[tuple[_Unit, ...]]) -> Iterator[tuple[Kind, str]]:
    for tag, i, i_end, j, j_end in _opcodes(old, new) or [("replace", 0, len(old), 0, len(new))]:
        before, after = list(chain(*old[i:i_end])), list(chain(*new[j:j_end]))
        yield from [("equal", _text(before))] if tag == "equal" else _compare(before, after, may_group=False)


def _sentences(units: list[_Unit]) -> list[tuple[_Unit, ...]]:
    sentences, start = [], 0
    for index, unit in enumerate(units, start=1):
        if index == len(units) or unit.word in (".", "!", "?") or "\n" in unit.space:
            sentences.append(tuple(units[start:index]))
            start = index
    return sentences


def _opcodes(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[tuple[str, int, int, int, int]] | None:
    """difflib's opcodes; None where they would take too long."""
    counts = Counter(new)
    if sum(counts[item] for item in old) * min(len(old), len(new)) > _MOST_COMPARISONS:
        return None
    return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _replaced(old: Sequence[_Unit], new: Sequence[_Unit]) -> Iterator[tuple[Kind, str]]:
    """One passage for another; white space that both end in, and passages that are equal, are kept."""
    before, after = _text(old), _text(new)
    space = old[-1].space if old and new and old[-1].space == new[-1].space else ""
    if before == after:
        yield "equal", before
    else:
        yield from (("delete", before.removesuffix(space)), ("insert", after.removesuffix(space)), ("equal", space))


def _merged(pieces: list[tuple[Kind, str]]) -> list[tuple[Kind, str]]:
    """Neighbours of one kind made one, deletions before insertions, empty pieces left out."""
    merged: list[tuple[Kind, str]] = []
    changed = {"delete": "", "insert": ""}

    def flush() -> None:
        merged.extend((kind, text) for kind, text in changed.items() if text)
        changed.update(delete="", insert="")

    for kind, text in pieces:
        if not text:
            continue
        if kind != "equal":
            changed[kind] += text
            continue
        flush()
        if merged and merged[-1][0] == "equal":
            merged[-1] = ("equal", merged[-1][1] + text)
        else:
            merged.append(("equal", text))
    flush()
    return merged
