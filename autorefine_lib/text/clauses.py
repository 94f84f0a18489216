"""What a sentence says, read off its dependency parse: content words, negation, modality, bounds, roles, conditions.

The relations are those of spaCy's English models (ClearNLP labels). `meaning` compares two readings.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from autorefine_lib import resources
from autorefine_lib.models import dependency_parser

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

APPLICANT, EMPLOYER, SPEAKER = "the applicant", "the employer", "a first person"
MUST, SHOULD, MAY, CAN, WAIVED = "must", "should", "may", "can", "waived"
_CONTENT = frozenset({"NOUN", "PROPN", "VERB", "ADJ", "ADV"})  # `requirements` compares numbers
_SUBJECTS = frozenset({"nsubj", "nsubjpass", "csubj"})


def _invert(name: str) -> dict[str, str]:
    """A list of `meaning.json` whose words stand under what they mean, as word to meaning."""
    return {word: meaning for meaning, words in resources.load("meaning")[name].items() for word in words}


_PERSONS, _QUANTIFIERS, _CONDITIONS = map(_invert, ("persons", "quantifiers", "conditions"))
# Negations that negate nothing: bounds are read by themselves, "not only" adds, the others are idioms.
_NO_NEGATION = re.compile(
    r"\b(?:no|not|never) (?:\w+er|more|less|above|over|beyond) than\b|\b(?:not|never) (?:above|over|beyond)\b"
    r"|\bnot (?:only|just|merely|simply)\b|\bwhether or not\b|(?:\bnot|n['’]t) hesitate\b|\bno matter\b|\bif not\b"
    r"|\bnot[- ]for[- ]profit\b|\bno[- ]brainer\b|\bno stranger\b|\bwhy not\b|\bno doubt\b|\bnot (?:to )?exceed"
    r"|\b(?:no|without) (?:cost|charge|problem|wor)|\b(?:cost|pay)s? nothing\b|\bnever[- ]ending\b|\bnon[- ]",
    re.IGNORECASE,
)
NEGATIVE_WORDS = frozenset(resources.load("meaning")["negative"])
"""Words that negate what follows them; `meaning` does not take their prefix for a second negation."""
_SCOPE = frozenset({"dobj", "attr", "acomp", "xcomp", "pobj", "prep", "nsubj", "nsubjpass", "compound", "amod", "oprd",
                    "pcomp", "advmod"})  # fmt: skip
_INSTEAD = {"rather": "than", "instead": "of"}
_SMALL = r"(?:\d|(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|a dozen)\b)"
_NEXT, _NEAR = rf"(?=\W{{0,3}}{_SMALL})", rf"(?=.{{0,14}}?(?<!\w){_SMALL})"  # a number follows, at once or soon
_BOUND = re.compile(
    rf"""(?P<none>
        up[- ]to[- ]date | at[ ]least[ ]one[ ]of | over[ ](?:the|time) | more[ ]often[ ]than
        | from(?=[^.;]{{0,25}}\b(?:to|until|through|-|–)\b))
    |(?P<upper>
        \b(?:no|not|never)[ ](?:more|later|longer|further|older|above|over|beyond)(?:[ ]than)?\b
        | \b(?:up[ ]to | as[ ](?:much|many|high|long)[ ]as | (?:a[ ])?maximum(?:[ ]of)? | capped[ ]at | limited[ ]to
            | (?:less|fewer|lower|smaller|shorter|younger)[ ]than | highest | ceiling[ ]of
            | not[ ](?:to[ ])?exceed(?:ing)?){_NEAR}
        | \b(?:max | under | below | within | inside | almost | nearly){_NEXT}
        | \bat[ ]the[ ](?:very[ ])?latest\b | \bat[ ](?:the[ ])?most\b | \bor[ ](?:less|fewer|under)\b
        | (?<=\d)[\w -]{{0,12}}\b(?:max(?:imum)?|tops)\b)
    |(?P<lower>
        \b(?:no|not)[ ](?:less|fewer|earlier|sooner)[ ]than\b | \bor[ ](?:more|above|over|greater)\b
        | \b(?:at[ ]least | \w+er[ ]than | more[ ]than | (?:a[ ])?minimum(?:[ ]of)? | lowest | upwards[ ]of
            | in[ ]excess[ ]of | exceeding){_NEAR}
        | \b(?:from | over | above | beyond | min | (?:start|begin)\w*[ ](?:at|from)){_NEXT}
        | (?<=\d)\+ | (?<=\d)[\w -]{{0,12}}\bminimum\b)""",
    re.IGNORECASE | re.VERBOSE,
)


class Word(NamedTuple):
    """A content word, or a listed phrase of several words."""

    key: str  # lemmas in lower case
    text: str
    place: int  # index of its token
    kind: str  # word class
    light: bool  # a paraphrase may add it or leave it out
    person: str  # who does it, or is it: APPLICANT, EMPLOYER, SPEAKER or ""
    subjects: frozenset[int]  # tokens
    owner: str  # person of a possessive
    relation: str  # to its head
    listed: bool  # in the dictionary


class Reading(NamedTuple):
    """What `meaning` compares."""

    words: list[Word]
    lemmas: list[str]  # of all tokens
    negations: list[frozenset[int]]  # of each negation the tokens that it may negate
    waived: int  # negations of a must, which may also be read as negations: "no degree required"
    modality: frozenset[str]
    bounds: frozenset[str]
    quantifiers: frozenset[str]
    conditions: frozenset[str]
    connectives: Counter[str]  # "and" and "or"
    persons: frozenset[str]


_KEPT = 1 << 14
_readings: dict[str, Reading] = {}


def read_all(texts: Iterable[str]) -> list[Reading]:
    """The readings of texts of one or more sentences, parsed in batches. Some 16,000 are remembered."""
    texts = list(texts)
    if len(_readings) > _KEPT:
        _readings.clear()
    unknown = [text for text in dict.fromkeys(texts) if text not in _readings]
    _readings.update((doc.text, _read(doc)) for doc in dependency_parser.parse(unknown))
    return [_readings[text] for text in texts]


def read(text: str) -> Reading:
    """The reading of one text."""
    return read_all([text])[0]


def _read(doc: "Doc") -> Reading:
    idle = _idle_negations(doc)
    waived = {index for token in doc for index in _waiver(token)}
    negators = [token for token in doc if _negates(token) and token.i not in idle and token.i not in waived]
    return Reading(
        words=_words(doc),
        lemmas=[_lemma(token) for token in doc],
        negations=[_scope(token) for token in negators],
        waived=len(waived),
        modality=frozenset(_modality(doc)),
        bounds=frozenset(kind for match in _BOUND.finditer(doc.text) if (kind := match.lastgroup or "") != "none"),
        quantifiers=frozenset(_quantifiers(doc)),
        conditions=frozenset(_CONDITIONS[token.lower_] for token in doc if _is_condition(token)),
        connectives=Counter(_connectives(doc)),
        persons=frozenset(_PERSONS[token.lower_] for token in doc if token.lower_ in _PERSONS),
    )


@cache
def _listed(how: str) -> frozenset[str]:
    return frozenset(resources.load("meaning")[how])


@cache
def _phrases() -> dict[str, list[tuple[str, ...]]]:
    """Light phrases of several words by their first word, the longest first."""
    phrases = {tuple(re.split(r"[ -]", phrase)) for phrase in _listed("light") if re.search(r"[ -]", phrase)}
    found: dict[str, list[tuple[str, ...]]] = {}
    for phrase in sorted(phrases, key=len, reverse=True):
        found.setdefault(phrase[0], []).append(phrase)
    return found


def _lemma(token: "Token") -> str:
    lemma = token.lemma_.lower().replace("’", "'")
    return lemma[:-2] + "y" if lemma.endswith("ie") and lemma[:-2] + "y" in dependency_parser.known_words() else lemma


def _words(doc: "Doc") -> list[Word]:
    tokens = [token for token in doc if token.text != "-" and not token.is_space]
    lemmas = [_lemma(token) for token in tokens]
    words, position = [], 0
    while position < len(tokens):
        begun = _phrases().get(lemmas[position], ())
        phrase = next((p for p in begun if tuple(lemmas[position : position + len(p)]) == p), ())
        head, key = tokens[position], " ".join(phrase) or lemmas[position]
        position += len(phrase) or 1
        light = key in _listed("light")
        if not phrase:
            light |= key in _PERSONS or any(key in _listed(name) for name in (MUST, SHOULD, MAY, CAN))
        if phrase or (head.pos_ in _CONTENT and head.text[0].isalnum()):
            words.append(_word(head, key, light))
    return words


def _word(token: "Token", key: str, light: bool) -> Word:
    verb = token.head if token.dep_ in ("attr", "acomp", "oprd") and token.head.lemma_ in ("be", "become") else token
    subjects = _subjects_of(verb)
    kind = "NOUN" if token.dep_ in ("dobj", "pobj", "nsubj", "compound") or _is_noun(token) else token.pos_
    person, places = _person(subjects, verb), frozenset(one.i for one in subjects)
    owner = next((_PERSONS.get(child.lower_, "") for child in token.children if child.dep_ == "poss"), "")
    return Word(key, token.text, token.i, kind, light, person, places, owner, token.dep_, _is_listed(token, key))


def _is_listed(token: "Token", key: str) -> bool:
    forms = {key, token.lower_, token.lower_.removesuffix("s"), token.lower_.removesuffix("ing")}
    return " " in key or not token.is_alpha or bool(forms & dependency_parser.known_words())


def _is_noun(token: "Token") -> bool:
    """Whether a verb in -ing is what somebody gets: "you receive mentoring"."""
    return token.tag_ == "VBG" and _lemma(token.head) in ("receive", "get", "give", "provide", "offer")


def _subjects_of(verb: "Token") -> list["Token"]:
    """Who does it: the subject, "by" whom a passive is done, or the subject of the verb that this one depends on."""
    found = [child for child in verb.children if child.dep_ in ("nsubj", "csubj")]
    found += [one for child in verb.children if child.dep_ == "agent" for one in child.children if one.dep_ == "pobj"]
    above = verb.head
    if found or verb.dep_ not in ("xcomp", "conj") or above.pos_ not in ("VERB", "AUX") or above.i == verb.i:
        return found
    # "You are expected to lead", "We want you to lead": who is asked leads.
    asked = [one for one in above.children if one.dep_ in ("nsubjpass", "dobj")] if verb.dep_ == "xcomp" else []
    return asked or _subjects_of(above)


def _person(subjects: Sequence["Token"], verb: "Token") -> str:
    for token in subjects:
        if token.lower_ in _PERSONS:
            return _PERSONS[token.lower_]
        if any(child.dep_ == "poss" and child.lower_ == "our" for child in token.children) and token.lemma_ == "team":
            return EMPLOYER
    imperative = verb.tag_ == "VB" and verb.dep_ == "ROOT" and not any(child.tag_ == "MD" for child in verb.children)
    return APPLICANT if imperative and not subjects else ""


def _negates(token: "Token") -> bool:
    lemma = _lemma(token)
    instead = lemma in _INSTEAD and token.i + 1 < len(token.doc) and token.nbor().lower_ == _INSTEAD[lemma]
    return token.dep_ == "neg" or lemma in _listed("negators") or lemma in NEGATIVE_WORDS or instead


def _idle_negations(doc: "Doc") -> set[int]:
    spans = [match.span() for match in _NO_NEGATION.finditer(doc.text)]
    return {token.i for token in doc for start, end in spans if start <= token.idx < end}


def _waiver(token: "Token") -> list[int]:
    """The negations of a must: "not required", "no degree needed", "you don't have to"."""
    lemma = _lemma(token)
    has_to = lemma == "have" and any(child.dep_ == "xcomp" for child in token.children)
    if (token.tag_ == "MD" and lemma != "need") or not (has_to or lemma in _listed(MUST) or lemma in _listed(SHOULD)):
        return []
    verb = token.head if token.dep_ in ("acomp", "attr", "oprd") else token
    near = [*token.children, *verb.children]
    near += [child for one in near if one.dep_ in (*_SUBJECTS, "dobj") for child in one.children]
    if token.dep_ == "acl":
        near += token.head.children
    return [one.i for one in near if _lemma(one) in ("not", "n't", "no", "never", "nobody", "none", "neither")]


def _scope(token: "Token") -> frozenset[int]:
    """The tokens that a negation may negate: its head and what the head says, down to its objects."""
    if _lemma(token.head) in ("one", "body") and token.lower_ == "no":
        token = token.head
    own = _lemma(token) in NEGATIVE_WORDS or token.lower_ == "without"
    queue = [token if own else token.head]
    found = set() if token.lower_ == "without" else {queue[0].i}
    while queue:
        said = [child for child in queue.pop().children if child.dep_ in _SCOPE]
        found.update(child.i for child in said)
        queue += [child for child in said if child.dep_ not in ("nsubj", "advmod")]
    return frozenset(found)


def _modality(doc: "Doc") -> Iterator[str]:
    for token in doc:
        lemma = _lemma(token)
        if _waiver(token):
            yield WAIVED
            continue
        # "Go is a plus", but neither "plus holidays" nor "the needs of customers".
        said_of = token.pos_ != "NOUN" or token.dep_ in ("attr", "ROOT", "oprd", "appos")
        if token.pos_ in ("CCONJ", "ADP") or not (said_of or lemma in ("possibility", "option", "preference")):
            continue
        if lemma in ("can", "could") and any(child.dep_ == "neg" for child in token.head.children):
            continue  # "cannot" says no more than "not"
        if lemma == "have" and any(child.dep_ == "xcomp" for child in token.children):
            yield MUST
        if lemma == "expect" and any(one.dep_ == "nsubj" and one.lower_ != "we" for one in token.children):
            continue  # "you can expect" is a promise, "we expect you" a duty
        yield from (strength for strength in (MUST, SHOULD, MAY, CAN) if lemma in _listed(strength))


def _quantifiers(doc: "Doc") -> Iterator[str]:
    for token in doc:
        if token.lower_ not in _QUANTIFIERS:
            continue
        before = token.nbor(-1).lower_ if token.i else ""
        if _lemma(token.head) in ("day", "week", "month", "year", "time", "hour", "quarter"):
            continue
        if (token.lower_, before) in (("only", "not"), ("most", "at"), ("most", "the"), ("any", "if")):
            continue
        if token.lower_ == "lot" and token.dep_ in ("npadvmod", "advmod", "dobj"):
            continue  # "laugh a lot" says how often
        if token.lower_ == "few" and before == "a":
            yield "some"
        elif not (token.lower_ == "most" and token.pos_ == "ADV"):
            yield _QUANTIFIERS[token.lower_]


def _is_condition(token: "Token") -> bool:
    if token.tag_ == "VBN" and token.dep_ not in ("mark", "prep", "advcl"):
        return False  # "the training provided"
    if token.dep_ == "prt" or _lemma(token.head) in ("look", "follow"):
        return False  # "look after"
    bound = token.lower_ == "later" and token.i and token.nbor(-1).lower_ in ("no", "not")
    return token.lower_ in _CONDITIONS and not bound


def _connectives(doc: "Doc") -> Iterator[str]:
    for token in doc:
        as_well = token.lower_ == "well" and token.i and token.nbor(-1).lower_ == "as"
        if token.lower_ == "and" and token.i + 1 < len(doc) and token.nbor().lower_ == "or":
            continue  # "and or" says no more than "or"
        if as_well or token.lower_ in ("and", "&", "both", "plus"):
            yield "and"
        elif token.lower_ in ("or", "either", "and/or"):
            yield "or"
