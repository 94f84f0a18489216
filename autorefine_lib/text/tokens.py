"""Words, facts and marks of a text, and which words are names. Every check of a rewrite looks at these."""

import re
from typing import Literal, NamedTuple, cast

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
"""A word of letters. Numbers are none, and a hyphenated word is one, as word lists and readability formulas count."""
# The bounds (64 characters before an @, 40 letters before a digit) keep the time linear in the length of any text.
_TOKEN = re.compile(
    r"(?P<fact>(?i:https?://|www\.)\S*[\w/]|[\w.+-]{1,64}@\w[\w.-]*\w"
    r"|[$€£¥]?[^\W\d]{0,40}+\d\w*+(?:[.,:/–-]\w++)*+[%+]?)"
    r"|(?P<word>[^\W_]+(?:['’][^\W_]+)*)"
    r"|(?P<mark>\S)"
)


Kind = Literal["fact", "word", "mark"]


class Token(NamedTuple):
    """A word, a fact or a mark of a text, with its place."""

    text: str
    key: str  # lower case, for comparison
    kind: Kind  # a fact is a number, an amount, a date or an address
    start: int  # offset into the text

    @property
    def end(self) -> int:
        """Offset behind its last character."""
        return self.start + len(self.text)


def tokenize(text: str) -> list[Token]:
    """Everything in `text` but white space, left to right; the parts of a hyphenated word and its hyphen are apart."""
    return [
        Token(match.group(), match.group().lower().replace("’", "'"), cast(Kind, match.lastgroup), match.start())
        for match in _TOKEN.finditer(text)
    ]


def words(text: str) -> list[str]:
    """The words and facts of `text`, in lower case."""
    return [token.key for token in tokenize(text) if token.kind != "mark"]


def find_names(tokens: list[Token]) -> set[int]:
    """Indices of the words with a capital inside a sentence: names, products, acronyms."""
    if not any(char.islower() for token in tokens for char in token.text):
        return set()  # in a headline in capitals nothing shows what is a name
    return {
        index
        for index, (before, token) in enumerate(zip(tokens, tokens[1:], strict=False), start=1)
        if token.kind == "word"
        and (has_inner_capital(token.text) or (token.text[0].isupper() and _inside(index, before)))
    }


def has_inner_capital(word: str) -> bool:
    """Whether a letter after the first is a capital, as in "AWS" and "iPhone"."""
    return word[1:] != word[1:].lower()


def _inside(index: int, before: Token) -> bool:
    # A bullet before the first word does not count as a word.
    return before.kind != "mark" or (index > 1 and before.text in ",&/-–('’")
