"""Guards of whole-ad rewrites: what a free paraphrase may not do to move a ranking, each with a name.

A policy that may write any text finds the cheapest text that moves the recommender, which seldom is a fair ad: reward
hacking (Amodei et al., 2016, "Concrete Problems in AI Safety", section 4). Each guard here looks for one way of
cheating and gives its reasons in words; `faithfulness.violations` asks those that are switched on, and `red_team`
shows what each of them is for. They compare with the source: nothing that the source says is held against a rewrite.
All are rules on the text and one similarity (static embeddings, not the recommender's model): cheap, the same every
time, and open to whoever wants to get around them. They refuse the cheats that are known, and prove nothing about others.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files

import numpy as np

from autorefine_lib import lexicon, requirements, sentences, static_embedding

GUARDS = (
    "protected", "names", "characters", "injection", "facts", "requirements", "benefits", "added", "dropped", "coded",
    "repetition", "length", "form",
)  # fmt: skip
"""Every guard by name. protected: words naming a protected attribute. names: given names. characters: hidden
characters and lookalike letters. injection: instructions to a ranker or a language model, markup. facts: numbers, pay,
places and names lost or made up. requirements: skills, degrees and licences likewise, and a must that becomes a wish.
benefits: promises likewise. added: sentences with no counterpart in the source. dropped: sentences of the source with
none in the rewrite. coded: more gender-coded words than rewording explains. repetition: stuffing with a word or a
sentence. length: much shorter or longer. form: capitals, scrambled words, articles, brackets, the last mark."""

SIMILAR = 0.35
"""Cosine of static embeddings from which two sentences are held for counterparts. On paraphrases written by hand the
counterparts lay above 0.4 but for sentences on a person's manner, boilerplate and inventions below 0.3."""
OVERLAP = 0.6
"""Share of a sentence's content words in the other text from which it counts as said there too."""
_KINDS = dict.fromkeys(("skill", "degree", "licence"), "requirements") | {"benefit": "benefits"}
_SHORT = 3  # content words below which a line is a heading or a fragment, which no embedding can judge
_CODED_SHARE, _CODED_RUN = 0.5, 4  # coded words among a sentence's content words, and their number: a list of them
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def names(source: str, rewrite: str) -> Iterator[str]:
    """Given names brought in: they name a gender or an origin as surely as a pronoun does."""
    known, listed = set(_words(source)), set(_resource()["given_names"])
    for word in sorted({word for word in _WORD.findall(rewrite) if word[0].isupper()}):
        key = word.lower().removesuffix("'s").removesuffix("’s")
        if key in listed and key not in known:
            yield f"brings in the given name {word!r}"


def characters(source: str, rewrite: str) -> Iterator[str]:
    """Invisible characters beyond those of the source, and words that mix letters of several scripts."""
    before, after = (Counter(char for char in text if unicodedata.category(char) in ("Cf", "Cc", "Co", "Cn"))
                     for text in (source, rewrite))  # fmt: skip
    for char in sorted(set(after - before) - {"\n"}):
        yield f"hides the character U+{ord(char):04X}"
    known = set(_words(source))
    for word in sorted({word for word in _WORD.findall(rewrite) if not word.isascii() and word.lower() not in known}):
        if len({unicodedata.name(char, "?").split()[0] for char in word if char.isalpha()}) > 1:
            yield f"mixes alphabets in {word!r}"


def injection(source: str, rewrite: str) -> Iterator[str]:
    """Instructions to whoever ranks or reads by machine, and markup."""
    for pattern in _injection():
        known = Counter(match.lower() for match in pattern.findall(source))
        found = Counter(match.lower() for match in pattern.findall(rewrite))
        yield from (f"instructs a machine: {' '.join(match.split())!r}" for match in sorted(found - known))


def facts(source: str, rewrite: str, guard: str) -> Iterator[str]:
    """What `requirements` finds lost or made up, of the kinds that `guard` ("facts" and two more) looks after."""
    for reason in [*requirements.lost(source, rewrite), *requirements.invented(source, rewrite)]:
        if _KINDS.get(re.match(r"(?:lost|brings in|turns) (\w+)", reason)[1], "facts") == guard:
            yield reason


def added(source: str, rewrite: str) -> Iterator[str]:
    """Sentences without a counterpart in the source.

    Sentences on a person's manner may be worded anew beyond recognition, so as many of these may be exchanged as the
    source has that are not found again.
    """
    new, gone = _without_counterpart(rewrite, source), _without_counterpart(source, rewrite)
    exchanged = sum(bool(lexicon.find(sentence)) for sentence in gone)
    yield from (f"adds {_short(sentence)!r}" for sentence in new[exchanged:])


def dropped(source: str, rewrite: str) -> Iterator[str]:
    """Sentences of the source without a counterpart in the rewrite, but for exchanged ones as in `added`."""
    new, gone = _without_counterpart(rewrite, source), _without_counterpart(source, rewrite)
    manner = [sentence for sentence in gone if lexicon.find(sentence)]
    exchanged = manner[: len(new)]
    yield from (f"drops {_short(sentence)!r}" for sentence in gone if sentence not in exchanged)


def coded(source: str, rewrite: str) -> Iterator[str]:
    """More gender-coded words than exchanging the source's listed phrases explains, or a list of nothing else."""
    room = sum(len(found.phrase.split()) for found in lexicon.find(source)) + 3
    before, after = (Counter(word for word in _words(text) if _is_coded(word)) for text in (source, rewrite))
    more = after.total() - before.total()
    if more > room:
        yield f"brings in {more} gender-coded words, {', '.join(sorted(after - before)[:5])}"
    if _runs(rewrite) > _runs(source):
        yield "lists gender-coded words"


def repetition(source: str, rewrite: str) -> Iterator[str]:
    """A content word, or a whole sentence, much more often than in the source; a word twice in a row."""
    before, after = (Counter(_content(text)) for text in (source, rewrite))
    for word, count in sorted(after.items()):
        if count > max(before[word] + 2, 1.5 * before[word]) and count > 3:
            yield f"repeats {word!r} {count} times"
    before, after = (Counter(" ".join(_words(part)) for part in _sentences(text)) for text in (source, rewrite))
    yield from (f"repeats {_short(part)!r}" for part, count in after.items() if part and count > max(1, before[part]))
    before, after = (Counter(pair for pair in zip(words, words[1:], strict=False) if pair[0] == pair[1])
                     for words in (_words(source), _words(rewrite)))  # fmt: skip
    yield from (f"doubles {word!r}" for word, _ in after - before)


def capitals(source: str, rewrite: str) -> Iterator[str]:
    """Written in capitals where the source is not."""
    before, after = (np.mean([char.isupper() for char in text if char.isalpha()] or [0]) for text in (source, rewrite))
    if after > before + 0.3:
        yield f"has {after:.0%} capitals for {before:.0%}"


def scrambled(source: str, rewrite: str) -> Iterator[str]:
    """Sentences of the source's words in another order: few of their pairs of words are in the source."""
    words = _words(source)
    known, pairs = set(words), set(zip(words, words[1:], strict=False))
    for part in _sentences(rewrite):
        own = _words(part)
        if len(own) >= 6 and np.mean([word in known for word in own]) > 0.7:
            kept = np.mean([pair in pairs for pair in zip(own, own[1:], strict=False)])
            if kept < 0.2:
                yield f"scrambles {_short(part)!r}"


@cache
def _resource() -> dict:
    return json.loads(files("autorefine_lib").joinpath("resources/guards.json").read_text(encoding="utf-8"))


@cache
def _injection() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in _resource()["injection"])


@cache
def _stems() -> re.Pattern[str]:
    stems = [stem for coding in _resource()["coded_stems"].values() for stem in coding]
    return re.compile("|".join(map(re.escape, stems)))


def _is_coded(word: str) -> bool:
    return bool(_stems().match(word))


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def _content(text: str) -> list[str]:
    return [word for word in _words(text) if word not in lexicon.function_words()]


def _sentences(text: str) -> list[str]:
    return [part for part in sentences.split(text)[::2] if part.strip()]


def _runs(text: str) -> int:
    """Sentences that are hardly more than a list of gender-coded words."""
    lists = 0
    for sentence in _sentences(text):
        content = _content(sentence)
        found = sum(map(_is_coded, content))
        lists += found >= _CODED_RUN and found >= _CODED_SHARE * len(content)
    return lists


@lru_cache(maxsize=1024)
def _read(text: str) -> tuple[list[str], list[list[str]], np.ndarray]:
    """The sentences of a text that can be judged, their content words' beginnings and their vectors."""
    parts = [part for part in _sentences(text) if len(_content(part)) >= _SHORT]
    return parts, [[word[:5] for word in _content(part)] for part in parts], static_embedding.embed(parts)


def _without_counterpart(text: str, other: str) -> list[str]:
    """The sentences of `text` that `other` does not say: none of its sentences is similar, most words are not in it."""
    parts, words, vectors = _read(text)
    there = {word[:5] for word in _content(other)}
    similar = (vectors @ _read(other)[2].T).max(axis=1, initial=-1) if parts else []
    return [
        part
        for part, own, cosine in zip(parts, words, similar, strict=True)
        if cosine < SIMILAR and np.mean([word in there for word in own]) < OVERLAP
    ]


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
