"""Whether a rewrite may stand for its source: it keeps every fact and the meaning, and names no protected attribute.

The wording is free. `guards` has one guard against each known way of moving a ranking by other means than the wording.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from autorefine_lib.errors import InputError
from autorefine_lib.text import articles, clauses, counterparts, meaning, protected
from autorefine_lib.text import guards as rules
from autorefine_lib.text.guards import GUARDS
from autorefine_lib.text.tokens import Token, tokenize

PROTECTED = "names a protected attribute"
"""The beginning of the reason that a protected word gives."""

_TYPOGRAPHIC = frozenset("‘’“”–—•…")
_BRACKETS = {")": "(", "]": "[", "}": "{", "”": "“"}
_GOES_ON = frozenset(("a", "an", "the", "and", "or", "but", "of", "from", "as", "our", "your", "their", "will", "can"))
_COMPARED = 1_000  # words and marks of a sentence; the comparison takes time with their square
_SHORTEST, _LONGEST, _SLACK = 0.6, 1.6, 2


def judge(
    sources: Sequence[str], rewrites: Sequence[str], guards: Sequence[str] = GUARDS
) -> list[dict[str, list[str]]]:
    """`by_guard` of each source and its rewrite, in order; the parser reads all sentences in batches.

    Raises:
        InputError: an unknown guard.
        ValueError: not as many rewrites as sources.
    """
    both = list(zip(sources, rewrites, strict=True))
    changed = [(source, rewrite) for source, rewrite in both if rewrite.strip() and rewrite != source]
    changed = [pair for pair in changed if max(map(len, pair)) < 10 * _COMPARED]
    clauses.read_all(text for pair in changed for said in counterparts.pair_sentences(*pair) for text in said)
    return [by_guard(source, rewrite, guards) for source, rewrite in both]


def by_guard(source: str, rewrite: str, guards: Sequence[str] = GUARDS) -> dict[str, list[str]]:
    """The reasons against a rewrite, by the guard that gives them; a guard without a reason is left out.

    An empty text on one side is always refused, by "length". An unchanged text never is.

    Raises:
        InputError: an unknown guard.
    """
    check_guards(guards)
    if rewrite == source:
        return {}
    if not source.strip() or not rewrite.strip():
        return {"length": ["is empty" if source.strip() else "the source is empty"]}
    old, new = tokenize(source), tokenize(rewrite)
    if max(len(old), len(new)) > _COMPARED and len(counterparts.find_sentences(source)) == 1:
        return {"length": [f"a sentence of {max(len(old), len(new))} words and marks cannot be compared"]}
    found = {
        "protected": chain(
            (
                f"{PROTECTED}: {word!r}"
                for word in sorted(protected.protected_words(rewrite) - protected.protected_words(source))
            ),
            rules.one_gender(source, rewrite),
        ),
        "names": rules.names(source, rewrite),
        "characters": chain(rules.characters(source, rewrite), _strange_characters(source, rewrite)),
        "injection": rules.injection(source, rewrite),
        **{name: rules.facts(source, rewrite, name) for name in ("facts", "requirements", "benefits")},
        "added": counterparts.added(source, rewrite),
        "dropped": counterparts.dropped(source, rewrite),
        "stuffing": rules.stuffing(source, rewrite),
        "length": _length(old, new),
        "form": chain(
            rules.capitals(source, rewrite),
            rules.scrambled(source, rewrite),
            rules.broken(source, rewrite),
            rules.inflected(source, rewrite),
            _articles(old, new),
            _ending_and_brackets(source, rewrite, old, new),
        ),
        **{rule.__name__: _said_otherwise(rule, source, rewrite) for rule in meaning.RULES},
    }
    # A guard that is switched off costs nothing: its generator is never read.
    reasons = {name: list(dict.fromkeys(found[name])) for name in GUARDS if name in guards}
    return {name: of_guard for name, of_guard in reasons.items() if of_guard}


def check_guards(guards: Sequence[str]) -> None:
    """Raise InputError for a name that is not in `guards.GUARDS`."""
    for name in [guards] if isinstance(guards, str) else guards:
        if name not in GUARDS or isinstance(guards, str):
            raise InputError(f"guards={guards!r}: {name!r} is no guard, or no list; allowed: {', '.join(GUARDS)}")


def _said_otherwise(rule: Callable[[str, str], Iterable[str]], source: str, rewrite: str) -> Iterable[str]:
    for pair in counterparts.pair_sentences(source, rewrite):
        yield from rule(*pair)


def _ending_and_brackets(source: str, rewrite: str, old: list[Token], new: list[Token]) -> Iterable[str]:
    if _ending(old) != _ending(new):
        yield f"ends in {rewrite.rstrip()[-1]!r}, not as the source does"
    last = [next((token.key for token in reversed(tokens) if token.kind != "mark"), "") for tokens in (old, new)]
    if last[1] in _GOES_ON and last[0] not in _GOES_ON:
        yield f"breaks off after {last[1]!r}"
    if _balanced(source) and not _balanced(rewrite):
        yield "has unbalanced brackets or quotes"


def _strange_characters(source: str, rewrite: str) -> Iterable[str]:
    allowed = set(source) | _TYPOGRAPHIC | {"\n"}
    for char in sorted(set(rewrite) - allowed):
        if not (char.isascii() and char.isprintable()):
            yield f"brings in the character U+{ord(char):04X}"


def _length(old: list[Token], new: list[Token]) -> Iterable[str]:
    before, after = (sum(token.kind != "mark" for token in tokens) for tokens in (old, new))
    if not _SHORTEST * before - _SLACK <= after <= _LONGEST * before + _SLACK:
        yield f"has {after} words for {before}"


def _articles(old: list[Token], new: list[Token]) -> Iterable[str]:
    known = {(a.key, b.key) for a, b in zip(old, old[1:], strict=False)}
    for article, word in zip(new, new[1:], strict=False):
        if article.key not in ("a", "an") or (article.key, word.key) in known:
            continue
        # An acronym is read letter by letter or as a word, so that either article may be right.
        spelled = word.kind == "word" and not (word.text.isupper() and len(word.text) > 1)
        if word.kind == "mark" or (spelled and articles.article_for(word.text) != article.key):
            yield f"says {article.text + ' ' + word.text!r}"


def _ending(tokens: list[Token]) -> str:
    last = tokens[-1].text if tokens and tokens[-1].kind == "mark" else ""
    return "." if last in (".", "!", "…") else last


def _balanced(text: str) -> bool:
    opened: list[str] = []
    for char in text:
        if char in _BRACKETS.values():
            opened.append(char)
        elif char in _BRACKETS and (not opened or opened.pop() != _BRACKETS[char]):
            return False
    return not opened and text.count('"') % 2 == 0
