"""Which sentences of an ad a generator may rewrite, and why the others are left as they are.

Headings, headlines, links, contact lines, legal statements and lists of technologies carry facts, not wording: a small
model that is asked to reword them invents. What a recommender does not read earns nothing and is left as well.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from tokenizers import Tokenizer

from autorefine_lib.models import minilm
from autorefine_lib.text import sentences, wording
from autorefine_lib.text.language import is_english

SHORTEST, LONGEST = 5, 45
"""Words of a sentence that is rewritten."""
WINDOW = 256
"""Tokens of an ad that the recommender reads (its maximum sequence length)."""

_CONTACT = re.compile(
    r"https?://|www\.|\S@\S|\[(?:email|phone|url)\]|\b[a-z0-9-]+\.(?:com|io|org|net|co|ai|dev|uk|gov|edu)\b|"
    r"\(?\+?\d[\d\s().-]{7,}\d|\b(?:e-?mail|call|contact|telephone|fax)\b.*(?:@|\d{3}|:)|"
    r"\b(?:email|contact) (?:us|me)\b",
    re.IGNORECASE,
)
_LEGAL = re.compile(
    r"equal[- ]opportunit|equal employment|affirmative action|without regard to|regardless of (?:race|gender|age|sex)|"
    r"irrespective of|\bE-?Verify\b|reasonable (?:accommodation|adjustment)|protected (?:veteran|characteristic|class)|"
    r"Disclosure and Barring|\bDBS\b|criminal (?:record|background|history)|right to work|\bvisa|sponsorship|"
    r"Title VII|Americans with Disabilities|pre-employment|background check|drug[- ](?:test|screen)|conviction|"
    r"safeguarding|data protection|\bGDPR\b|privacy (?:policy|notice)|fair employment",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"[<>{}`\t]|&(?:#\d+|#x[0-9a-f]+|[a-z]{2,8});|\]\(|^\s*#|\*\*|\*\w|__|(?<!\w)_\w|~~|\[[ x]?\]", re.IGNORECASE
)
_ITEM = re.compile(r"[,;/•·]| and | or ")


def sentences_to_rewrite(ad: str) -> Iterator[tuple[int, str]]:
    """(position, sentence) of each sentence of `ad` that may be rewritten, `position` as in `sentences.split`."""
    return ((position, sentence) for position, sentence, reason in explain_sentences(ad) if reason is None)


def explain_sentences(ad: str) -> Iterator[tuple[int, str, str | None]]:
    """(position, sentence, why it is left as it is or None) of each sentence of `ad`."""
    parts = sentences.split(ad)
    end = find_window_end(ad)
    past = 0
    for position, part in enumerate(parts):
        past += len(part)
        if position % 2 or not part.strip():
            continue
        if past > end:
            yield position, part, "beyond what a recommender reads"
        elif _is_wrapped(parts[position : position + 3]) or _is_wrapped(parts[max(0, position - 2) : position + 1]):
            yield position, part, "a sentence over several lines"
        else:
            yield position, part, explain_leaving(part)


def _is_wrapped(parts: list[str]) -> bool:
    """Whether a line break stands within a sentence: the line below goes on with a small letter."""
    return len(parts) == 3 and parts[1].count("\n") == 1 and parts[1].isspace() and parts[2][:1].islower()


def explain_leaving(sentence: str) -> str | None:
    """Why `sentence` is left as it is, or None where it may be rewritten."""
    words = sentence.split()
    if len(words) < SHORTEST:
        return "a heading or a fragment"
    if len(words) > LONGEST:
        return f"longer than {LONGEST} words"
    if "|" in sentence or sentence.count(" - ") > 2:
        return "a headline or a row of a table"
    if _MARKUP.search(sentence):
        return "markup"
    if any(unicodedata.category(char) in ("So", "Me", "Co") for char in sentence):
        return "an emoji or another symbol"
    if _CONTACT.search(sentence):
        return "a link or a way to make contact"
    if _LEGAL.search(sentence):
        return "a legal statement"
    if _is_list(sentence):
        return "a list of technologies or names"
    if sentence.rstrip().endswith(":") or _is_heading(words):
        return "a heading or a fragment"
    if not is_english(sentence):
        return "not in English"
    return None


def _is_heading(words: list[str]) -> bool:
    alphabetic = [word for word in words if word[:1].isalpha()]
    capitals = sum(word[0].isupper() for word in alphabetic)
    return capitals >= 0.8 * max(1, len(alphabetic))


def _is_list(sentence: str) -> bool:
    """Hardly more than names with marks between them."""
    items = [item for item in _ITEM.split(sentence) if item.strip()]
    words = [word.strip(".,;:()!?'\"") for word in sentence.split()]
    small = [word for word in words if word.lower() in wording.function_words()]
    named = [word for word in words[1:] if word[:1].isupper() or any(char.isdigit() for char in word)]
    return len(items) >= 4 and (len(named) >= 0.5 * len(words) or len(small) <= 0.08 * len(words))


@cache
def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(minilm.folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def find_window_end(ad: str) -> int:
    """Characters of `ad` that lie within the recommender's window; two of its tokens are special ones."""
    offsets = _tokenizer().encode(ad, add_special_tokens=False).offsets
    return len(ad) if len(offsets) <= WINDOW - 2 else offsets[WINDOW - 3][1]
