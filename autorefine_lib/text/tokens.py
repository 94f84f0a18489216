"""Words, facts and marks of a text, and the words that are names: what every check of a rewrite looks at."""

import re
from typing import NamedTuple

# The bounds (64 characters before an @, 40 letters before a digit) keep the time linear in the length of any text.
_TOKEN = re.compile(
    r"(?P<fact>(?i:https?://|www\.)\S*[\w/]|[\w.+-]{1,64}@\w[\w.-]*\w"
    r"|[$€£¥]?[^\W\d]{0,40}+\d\w*+(?:[.,:/–-]\w++)*+[%+]?)"
    r"|(?P<word>[^\W_]+(?:['’][^\W_]+)*)"
    r"|(?P<mark>\S)"
)


class Token(NamedTuple):
    """A word, a fact or a mark of a text, with its place."""

    text: str
    key: str  # lower case, for comparison
    kind: str  # fact (number, money, date, address), word or mark
    start: int  # offset into the text


def tokenize(text: str) -> list[Token]:
    """Everything in `text` but white space, left to right."""
    return [
        Token(match.group(), match.group().lower().replace("’", "'"), match.lastgroup, match.start())
        for match in _TOKEN.finditer(text)
    ]


def names(tokens: list[Token]) -> set[int]:
    """Indices of the words with a capital inside a sentence: names, products, acronyms."""
    if not any(char.islower() for token in tokens for char in token.text):
        return set()  # a headline in capitals: nothing tells the names
    return {
        index
        for index, (before, token) in enumerate(zip(tokens, tokens[1:], strict=False), start=1)
        if token.kind == "word"
        and (has_inner_capital(token.text) or (token.text[0].isupper() and _inside(index, before)))
    }


def has_inner_capital(word: str) -> bool:
    """Whether a letter behind the first is a capital: "AWS", "iPhone"."""
    return word[1:] != word[1:].lower()


def _inside(index: int, before: Token) -> bool:
    # A bullet before the first word is no word before it.
    return before.kind != "mark" or (index > 1 and before.text in ",&/-–('’")
