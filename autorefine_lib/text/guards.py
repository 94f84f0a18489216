"""Guards of rewrites: what a free paraphrase may not do to move a ranking, each with a name.

A policy that may write any text finds the cheapest text that moves the recommender. That is seldom a fair ad: it is
reward hacking (Amodei et al., 2016, "Concrete Problems in AI Safety", section 4). Each guard looks for one way of
cheating and gives its reasons in words. `faithfulness.by_guard` asks the guards that are switched on, and `red_team`
shows what each guard is for. Guards compare a rewrite with its source: what the source says itself is never a reason.
They are rules on the text and one similarity (static embeddings, not the recommender's model), so they are cheap and
always decide alike. They refuse known cheats and prove nothing about others: who knows the rules can avoid them.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

import numpy as np

from autorefine_lib import resources
from autorefine_lib.text import counterparts, requirements, tokens, wording

GUARDS = (
    "protected", "names", "characters", "injection", "facts", "requirements", "benefits", "added", "dropped",
    "stuffing", "length", "form", "polarity", "modality", "limits", "roles", "content",
)  # fmt: skip
"""The guards by name. protected: words that name a protected attribute, or one gender where the source has both. names:
given names. characters: hidden characters and lookalike letters. injection: instructions to a ranker or a language
model, markup. facts: numbers, pay, places and names that are lost or made up. requirements: the same for skills,
degrees and licences, and a must that becomes a wish. benefits: the same for promises. added: sentences without a
counterpart in the source. dropped: sentences of the source without a counterpart in the rewrite. stuffing: a word or a
sentence many times, a list of keywords. length: much shorter or longer. form: capitals, scrambled words, slips of
grammar, articles, brackets, the last mark. By `meaning`, between sentences and their rewrites: polarity: negations.
modality: what must or may be. limits: bounds, how many, "and" and "or", conditions. roles: who does what to whom.
content: words without a counterpart."""

_KINDS = dict.fromkeys(("skill", "degree", "licence"), "requirements") | {"benefit": "benefits"}
_WOMEN, _MEN = frozenset(("she", "her", "hers", "herself")), frozenset(("he", "his", "him", "himself"))


def one_gender(source: str, rewrite: str) -> Iterator[str]:
    """Pronouns of one gender for those of both: "her field" for "his or her field"."""
    found = map(counterparts.plain_words, (source, rewrite))
    before, after = ([not pronouns.isdisjoint(words) for pronouns in (_WOMEN, _MEN)] for words in found)
    if all(before) and after[0] != after[1]:
        yield f"leaves {'women' if after[0] else 'men'} alone where the source names both"


def names(source: str, rewrite: str) -> Iterator[str]:
    """Given names that are brought in: they show a gender or an origin as clearly as a pronoun does."""
    known = {word.removesuffix("'s") for word in counterparts.plain_words(source)}
    listed = set(resources.load("guards")["given_names"])
    for word in sorted({word for word in tokens.WORD.findall(rewrite) if word[0].isupper()}):
        key = word.lower().removesuffix("'s").removesuffix("’s")
        if key in listed and key not in known:
            yield f"brings in the given name {word!r}"


def characters(source: str, rewrite: str) -> Iterator[str]:
    """Invisible characters beyond those of the source, and words that mix letters of several scripts."""
    before, after = (Counter(char for char in text if unicodedata.category(char) in ("Cf", "Cc", "Co", "Cn"))
                     for text in (source, rewrite))  # fmt: skip
    for char in sorted(set(after - before) - {"\n"}):
        yield f"hides the character U+{ord(char):04X}"
    known = set(counterparts.plain_words(source))
    for word in sorted(
        {word for word in tokens.WORD.findall(rewrite) if not word.isascii() and word.lower() not in known}
    ):
        if len({unicodedata.name(char, "?").split()[0] for char in word if char.isalpha()}) > 1:
            yield f"mixes alphabets in {word!r}"


def injection(source: str, rewrite: str) -> Iterator[str]:
    """Instructions to whoever ranks or reads by machine, and markup."""
    for pattern in resources.load("guards")["injection"]:
        known, found = (
            Counter(match.lower() for match in re.findall(pattern, text, re.IGNORECASE)) for text in (source, rewrite)
        )
        yield from (f"instructs a machine: {' '.join(match.split())!r}" for match in sorted(found - known))


def broken(source: str, rewrite: str) -> Iterator[str]:
    """Slips of grammar that the model makes now and then, as "a number of have"."""
    for pattern in resources.load("guards")["broken"]:
        if (found := re.search(pattern, rewrite, re.IGNORECASE)) and not re.search(pattern, source, re.IGNORECASE):
            yield f"says {found[0]!r}"


def inflected(source: str, rewrite: str) -> Iterator[str]:
    """A clause without a subject whose verb no longer agrees with that of its sentence: "help" for "assists".

    The first words tell: a parser takes many of them, without a subject, for nouns.
    """
    before, after = source.split()[0], rewrite.split()[0]
    if re.fullmatch(r"[a-z]+[^s\W]s", before) and before not in wording.FUNCTION_WORDS and not after.endswith("s"):
        yield f"begins with {after!r}, not with a verb or a noun in -s"


def facts(source: str, rewrite: str, guard: str) -> Iterator[str]:
    """What `requirements` finds lost or made up, of the kinds that belong to `guard` ("facts" and two more)."""
    for reason in [*requirements.lost(source, rewrite), *requirements.invented(source, rewrite)]:
        kind = re.findall(r"(?:lost|brings in|turns) (\w+)", reason)[0]
        if _KINDS.get(kind, "facts") == guard:
            yield reason


def stuffing(source: str, rewrite: str) -> Iterator[str]:
    """A content word or a sentence much more often than in the source, doubled words and phrases, lists of words."""
    before, after = (Counter(counterparts.content_words(text)) for text in (source, rewrite))
    for word, count in sorted(after.items()):
        # Phrases of different sets share words, so that rewording may bring in "good" several times.
        room = 5 if word in wording.AD_WORDS else 2
        if count > max(before[word] + room, 1.5 * before[word], 3):
            yield f"repeats {word!r} {count} times"
    before, after = (
        Counter(" ".join(counterparts.plain_words(part)) for part in counterparts.find_sentences(text))
        for text in (source, rewrite)
    )
    # An ad that repeats itself still does so when it is reworded.
    usual = max(before.values(), default=1)
    yield from (f"repeats {counterparts.shorten(part)!r}" for part, count in after.items() if part and count > usual)
    yield from (f"doubles {word!r}" for word in _doubled(rewrite) - _doubled(source))
    longest = max([5, *map(_keywords, counterparts.find_sentences(source))])
    parts = counterparts.find_sentences(rewrite)
    yield from (f"lists keywords: {counterparts.shorten(part)!r}" for part in parts if _keywords(part) > longest)


def capitals(source: str, rewrite: str) -> Iterator[str]:
    """More words in new capitals than a name or two."""
    known = set(tokens.WORD.findall(source))
    shouted = [word for word in tokens.WORD.findall(rewrite) if len(word) > 3 and word.isupper() and word not in known]
    if len(shouted) > 3:
        yield f"writes {len(shouted)} words in capitals, {', '.join(shouted[:3])}"


def scrambled(source: str, rewrite: str) -> Iterator[str]:
    """Sentences of the source's words in another order: few of their pairs of words are in the source."""
    words = counterparts.plain_words(source)
    known, pairs = set(words), set(zip(words, words[1:], strict=False))
    for part in counterparts.find_sentences(rewrite):
        own = counterparts.plain_words(part)
        if len(own) >= 8 and np.mean([word in known for word in own]) > 0.85:
            kept = np.mean([pair in pairs for pair in zip(own, own[1:], strict=False)])
            if kept < 0.15:
                yield f"scrambles {counterparts.shorten(part)!r}"


def _doubled(text: str) -> Counter[str]:
    """How often each word stands twice in a row, and each three words of a sentence in it again."""
    words = counterparts.plain_words(text)
    found = Counter(word for word, following in zip(words, words[1:], strict=False) if word == following)
    for part in counterparts.find_sentences(text):
        words = counterparts.plain_words(part)
        threes = Counter(zip(words, words[1:], words[2:], strict=False))
        found.update({" ".join(three): count - 1 for three, count in threes.items() if count > 1})
    return found


def _keywords(sentence: str) -> int:
    """Items of one word between commas."""
    return sum(len(item.split()) == 1 for item in sentence.split(",")[1:])
