"""The indefinite article: "a" or "an" by the sound of the next word, mended where a rewrite changed that word."""

import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import inflect

# An article and the word behind it. "Q&A", "A/B" and "vitamin-A" hold none, nor do "Series A" and "plan A or B": a
# capital "A" behind another word is a name.
_ARTICLE = re.compile(
    r"(?<![\w&/.'’-])(?P<article>[Aa]n|AN|a|(?<![\w)\"”'’,] )A)(?P<gap>\s+[\"“‘'(\[]*)(?P<word>[$€£]?\w[\w&]*)"
)
_NUMBER = re.compile(r"[$€£]?([0-9][0-9,]{0,15})")
# inflect reads capitals as a word where their letters allow it. These are spelled, so that their first letter counts:
# two letters, a letter before a number or "&" ("S3", "R&D"), "URL" and the like, and acronyms common in job ads.
_SPELLED = re.compile(
    r"(?:[A-Z]{2}|U[A-Z]{2,3}|[A-Zx][\d&]\w*|FAQ|HIV|HOA|LED|MEng|MES|MIT|MOU|NIH|NYC|RIA|ROI|SAP|SEI|SEO|SLA|SME|SOP|SOW"
    r"|SUV|mRNA)s?"
)
# What inflect has a wrong sound for.
_SOUNDS_AS = {"uber": "oober", "ubuntu": "oobuntu", "us": "oss", "usher": "osher"}


@lru_cache(maxsize=1 << 14)
def article_for(word: str) -> str:
    """ "a" or "an", by the sound that `word` begins with; a number is read out ("an 8-hour shift").

    The sound is inflect's guess. Both forms are in use before some words ("historic", "SQL"); one of them is returned.
    """
    word = unicodedata.normalize("NFKD", word)  # "é" begins with "e"
    if number := _NUMBER.match(word):
        word = str(_engine().number_to_words(number[1]))
    elif _SPELLED.fullmatch(word):
        word = word[0]
    return _engine().a(_SOUNDS_AS.get(word.lower(), word)).split()[0]


def mend_articles(source: str, text: str) -> str:
    """`text`, a rewrite of `source`, with each "a" and "an" as the next word sounds.

    An article that `source` has before the same word stays as the author wrote it.
    """
    known = {_pair(match) for match in _ARTICLE.finditer(source)}

    def mend(match: re.Match[str]) -> str:
        if _pair(match) in known:
            return match.group()
        article, gap, word = match.groups()
        fitting = article[0] + article_for(word)[1:]
        return (fitting.upper() if article == "AN" else fitting) + gap + word

    return _ARTICLE.sub(mend, text)


def _pair(match: re.Match[str]) -> tuple[str, str]:
    return match["article"].lower(), match["word"].lower()


@cache
def _engine() -> "inflect.engine":
    import inflect  # takes a second or two to import, and most commands never need it

    return inflect.engine()
