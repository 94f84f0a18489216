"""Which sentences of an ad a generator may rewrite, and why the others are left as they are.

Headings, headlines, links, contact lines, legal statements and lists of technologies carry facts, not wording: a small
model that is asked to reword them invents. What a recommender does not read earns nothing and is left as well, and so
is any sentence that is not English.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from tokenizers import Tokenizer

from autorefine_lib import resources
from autorefine_lib.models import minilm
from autorefine_lib.text import sentences, wording
from autorefine_lib.text.tokens import WORD

SHORTEST = 5
"""Words of a sentence that is rewritten; at most `sentences.LONGEST`."""
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

# Whether a text is English is told by its share of function words; no other language is guessed.
ENGLISH = frozenset(resources.load("wording")["english_words"])
"""Frequent in English, and no words of the other languages."""
LEAST, LEAST_SHARED = 0.02, 0.2
"""Share of `ENGLISH`, or of all function words, from which a text counts as English. Half of the English ads have 15 %
or more of the first."""


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
    found = (
        (len(words) < SHORTEST, "a heading or a fragment"),
        (len(words) > sentences.LONGEST, f"longer than {sentences.LONGEST} words"),
        ("|" in sentence or sentence.count(" - ") > 2, "a headline or a row of a table"),
        (_MARKUP.search(sentence), "markup"),
        (any(unicodedata.category(char) in ("So", "Me", "Co") for char in sentence), "an emoji or another symbol"),
        (_CONTACT.search(sentence), "a link or a way to make contact"),
        (_LEGAL.search(sentence), "a legal statement"),
        (_is_list(sentence), "a list of technologies or names"),
        (sentence.rstrip().endswith(":") or _is_heading(words), "a heading or a fragment"),
        (not is_english(sentence), "not in English"),
    )
    return next((reason for holds, reason in found if holds), None)


def _is_heading(words: list[str]) -> bool:
    alphabetic = [word for word in words if word[:1].isalpha()]
    return sum(word[0].isupper() for word in alphabetic) >= 0.8 * max(1, len(alphabetic))


def _is_list(sentence: str) -> bool:
    """Hardly more than names with marks between them."""
    items = [item for item in _ITEM.split(sentence) if item.strip()]
    words = [word.strip(".,;:()!?'\"") for word in sentence.split()]
    small = [word for word in words if word.lower() in wording.FUNCTION_WORDS]
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


def is_english(text: str) -> bool:
    """Whether the text has enough English function words; not so for a text without words.

    Two shares decide. Some frequent English words are no words of the other languages of Latin script, so a few of them
    are enough. Others ("for", "of", "is", "we") are frequent in Danish, Dutch or Polish too, so many are needed. Of
    9,082 real English ads 0.3 % fail, of their sentences 3 %, most of them lists.
    """
    found = [word.replace("’", "'") for word in WORD.findall(text.lower())]
    return _share(found, ENGLISH) >= LEAST or _share(found, wording.FUNCTION_WORDS) >= LEAST_SHARED


def _share(found: list[str], words: frozenset[str]) -> float:
    return sum(word in words for word in found) / max(1, len(found))
