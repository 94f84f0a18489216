"""Whether a rewrite may stand for its source: it keeps every fact, is well formed and names no protected attribute.

The strict form is for small models that rewrite one sentence. There a faithful rewrite is the source with listed
phrases (`wording.find`) replaced by ad words (`wording.ad_words`) in the same order, and nothing else. The free form
is for large models that paraphrase whole ads. It leaves the wording free, keeps requirements, numbers and names, and
has a guard against each known way of moving a ranking by other means than the wording (`guards`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from autorefine_lib.errors import InputError
from autorefine_lib.text import guards as free_form
from autorefine_lib.text import sentences, wording
from autorefine_lib.text.articles import article_for
from autorefine_lib.text.guards import GUARDS
from autorefine_lib.text.protected import protected_words
from autorefine_lib.text.tokens import Token, find_names, tokenize, words

PROTECTED = "names a protected attribute"
"""The beginning of the reason that a protected word gives."""

# What may change next to a replaced phrase without being part of it.
_SOFT = frozenset({"a", "an", ",", "-", "–", "'"})
_TYPOGRAPHIC = frozenset("‘’“”–—•…")
_BRACKETS = {")": "(", "]": "[", "}": "{", "”": "“"}
_SHORTEST, _LONGEST, _SLACK = 0.6, 1.6, 2


def violations(source: str, rewrite: str, strict: bool = True, guards: Sequence[str] = GUARDS) -> list[str]:
    """The reasons why `rewrite` may not stand for `source`; an empty list when it may.

    Args:
        strict: True for sentence rewriting by a small model; False for free paraphrase by a large one.
        guards: the guards of the free form that are switched on; the strict form uses none.

    Raises:
        InputError: an unknown guard.
    """
    if not strict:
        found = by_guard(source, rewrite, guards)
        return list(dict.fromkeys(reason for reasons in found.values() for reason in reasons))
    if not rewrite.strip():
        return ["is empty"] if source.strip() else []
    old, new = tokenize(source), tokenize(rewrite)
    reasons = [
        *_protected(source, rewrite),
        *_strange_characters(source, rewrite, strict),
        *_replacements(source, old, new),
        *_length(old, new),
        *_articles(old, new),
        *_repetitions(source, rewrite),
        *_ending_and_brackets(source, rewrite, old, new),
    ]
    return list(dict.fromkeys(reasons))


def by_guard(source: str, rewrite: str, guards: Sequence[str] = GUARDS) -> dict[str, list[str]]:
    """The reasons against a free paraphrase, by the guard that gives them; a guard without a reason is left out.

    An empty rewrite is always refused, by "length". An unchanged text never is.

    Raises:
        InputError: an unknown guard.
    """
    check_guards(guards)
    if rewrite == source:
        return {}
    if not rewrite.strip():
        return {"length": ["is empty"]} if source.strip() else {}
    old, new = tokenize(source), tokenize(rewrite)
    found = {
        "protected": _protected(source, rewrite),
        "names": free_form.names(source, rewrite),
        "characters": [*free_form.characters(source, rewrite), *_strange_characters(source, rewrite, strict=False)],
        "injection": free_form.injection(source, rewrite),
        **{name: free_form.facts(source, rewrite, name) for name in ("facts", "requirements", "benefits")},
        "added": free_form.added(source, rewrite),
        "dropped": free_form.dropped(source, rewrite),
        "coded": free_form.coded(source, rewrite),
        "stuffing": free_form.stuffing(source, rewrite),
        "length": _length(old, new),
        "form": _form(source, rewrite, old, new),
    }
    # A guard that is switched off costs nothing: its generator is never read.
    reasons = {name: list(dict.fromkeys(found[name])) for name in GUARDS if name in guards}
    return {name: of_guard for name, of_guard in reasons.items() if of_guard}


def check_guards(guards: Sequence[str]) -> None:
    """Raise InputError for a name that is not in `guards.GUARDS`."""
    for name in [guards] if isinstance(guards, str) else guards:
        if name not in GUARDS or isinstance(guards, str):
            raise InputError(f"guards={guards!r}: {name!r} is no guard, or no list; allowed: {', '.join(GUARDS)}")


def _protected(source: str, rewrite: str) -> list[str]:
    return [f"{PROTECTED}: {word!r}" for word in sorted(protected_words(rewrite) - protected_words(source))]


def _form(source: str, rewrite: str, old: list[Token], new: list[Token]) -> Iterable[str]:
    yield from free_form.capitals(source, rewrite)
    yield from free_form.scrambled(source, rewrite)
    yield from _articles(old, new)
    yield from _ending_and_brackets(source, rewrite, old, new)


def _ending_and_brackets(source: str, rewrite: str, old: list[Token], new: list[Token]) -> Iterable[str]:
    if _ending(old) != _ending(new):
        yield f"ends in {rewrite.rstrip()[-1]!r}, not as the source does"
    if _balanced(source) and not _balanced(rewrite):
        yield "has unbalanced brackets or quotes"


def _replacements(source: str, old: list[Token], new: list[Token]) -> Iterable[str]:
    """Strict form: changes outside listed phrases, and phrases that were dropped."""
    named, function = find_names(old), wording.function_words()
    phrases = [
        {index for index, token in enumerate(old) if found.start <= token.start < found.end}
        for found in wording.find(source)
    ]
    replaceable = set().union(*phrases) - named
    matcher = SequenceMatcher(None, [token.key for token in old], [token.key for token in new], autojunk=False)
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        if kind == "equal":
            continue
        lost = [old[index] for index in range(i, i_end) if index not in replaceable and old[index].key not in _SOFT]
        yield from (_lost(token) for token in lost)
        added = [token.key for token in new[j:j_end]]
        yield from (f"brings in {word!r}" for word in added if word not in wording.ad_words() and word not in _SOFT)
        if any(word not in function and word not in _SOFT for word in added):
            continue
        dropped = [phrase for phrase in phrases if phrase <= set(range(i, i_end))]
        if any(old[index].key not in function for phrase in dropped for index in phrase):
            yield f"drops {source[old[i].start : old[i_end - 1].start + len(old[i_end - 1].text)]!r}"
        elif i == i_end and not {i - 1, i} & replaceable:
            yield f"brings in {' '.join(added)!r}"


def _lost(token: Token) -> str:
    return f"lost {'number' if token.kind == 'fact' else token.kind} {token.text!r}"


def _strange_characters(source: str, rewrite: str, strict: bool) -> Iterable[str]:
    allowed = set(source) | _TYPOGRAPHIC | (set() if strict else {"\n"})
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
        if word.kind == "mark" or (spelled and article_for(word.text) != article.key):
            yield f"says {article.text + ' ' + word.text!r}"


def _repetitions(source: str, rewrite: str) -> Iterable[str]:
    """Words that stand twice in a row, pairs of words and content words that a sentence repeats and no source does."""
    known = set().union(*(_repeated(part) for part in sentences.split(source)))
    for part in sentences.split(rewrite):
        yield from (f"repeats {said!r}" for said in sorted(_repeated(part) - known))


def _repeated(sentence: str) -> set[str]:
    said = words(sentence)
    pairs = Counter(zip(said, said[1:], strict=False))
    content = Counter(word for word in said if word not in wording.function_words())
    return {" ".join(pair) for pair, count in pairs.items() if count > 1 or pair[0] == pair[1]} | {
        word for word, count in content.items() if count > 1
    }


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
