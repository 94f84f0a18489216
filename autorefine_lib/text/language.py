"""Whether a text is English, by its share of English function words.

The words are frequent in English and are no words of the other languages of Latin script ("for", "of", "to", "is" and
"we" are left out, because they are frequent in Danish, Dutch or Polish). No language is guessed: a text that is not
English is left as it is.
"""

from autorefine_lib.text.tokens import WORD

WORDS = frozenset((
    "about", "also", "and", "been", "being", "between", "but", "could", "each", "from", "how", "if", "including",
    "into", "may", "must", "or", "other", "our", "should", "such", "that", "the", "their", "them", "these", "they",
    "this", "those", "through", "using", "what", "when", "where", "which", "who", "with", "within", "would", "you",
    "your",
))  # fmt: skip
LEAST = 0.02
"""Share of these words from which a text counts as English. Half of the ads in English have 13 % or more."""


def english_share(text: str) -> float:
    """Share of the text's words that are English function words; 0 for a text without words."""
    words = WORD.findall(text.lower())
    return sum(word in WORDS for word in words) / max(1, len(words))


def is_english(text: str) -> bool:
    """Whether at least 2 % of the text's words are English function words."""
    return english_share(text) >= LEAST
