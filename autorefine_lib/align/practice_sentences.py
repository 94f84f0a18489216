"""Practice sentences: odd words in plain sentence frames, so that a generator learns to edit and copy any context.

The frames were written for this project; the words are drawn from the whole WordPiece vocabulary of MiniLM, with
numbers, names, acronyms, web addresses and marks as real ads have them. The sentences mean nothing and are never shown.
"""

import random
import re
from functools import cache

from autorefine_lib.models import minilm
from autorefine_lib.text import wording
from autorefine_lib.text.articles import article_for

# W: a lower-case word, N: a capitalized name, Q: an acronym, D: a number, U: an address, *: where a phrase may go.
FRAMES = [
    "The W of the W is W *.",
    "N is a W * W for its W in N.",
    "We W the W and W *, using Q, N and N.",
    "You W * with N W and a W.",
    "* W W in N (D W) or W.",
    "Our W: W, W, W, * and a W.",
    "At N N, the W W that W * W D W.",
    "If you W a W, * the W at U.",
    "D+ years of W with Q/N, N or * W.",
    "* to W: U",
    "N (U) | W W | N, N | Q | * W",
    "- W and W * W, W W the N W",
    "They have W D W since D, and W * of W.",
    "A * W who W N and N W, not W.",
    "The N W will W an W *, and W the W W by D.",
    "W W W * W W W, W W",
    "What N W is a W: * N W for D% of W.",
    "Must W N, Q and Q; * W a plus.",
    "It's * W, and we're W to W the W-W N.",
    "This W is * W W between $Dk and $Dk in N.",
    'She said "W the W", then W * a N W.',
    "Responsibilities W W W, * W W N W W and a W.",
    "From W to W, the * N W D W W W.",
    "N's W W on Q, N and N; * W W W.",
    "W N W W W W W W * W N W W W W W W W D W W W.",
    "* N W.",
    "How W * W?",
    "W *, W *!",
]


@cache
def vocabulary() -> tuple[str, ...]:
    """The whole alphabetic words of the MiniLM vocabulary, three letters or more, but no listed phrase."""
    path = minilm.folder() / "vocab.txt"
    words = path.read_text(encoding="utf-8").splitlines()
    return tuple(word for word in words if re.fullmatch(r"[a-z]{3,}", word) and not wording.find(word))


@cache
def _pieces() -> tuple[str, ...]:
    path = minilm.folder() / "vocab.txt"
    return tuple(p[2:] for p in path.read_text(encoding="utf-8").splitlines() if re.fullmatch(r"##[a-z]{2,5}", p))


_FUNCTION_WORDS = sorted(wording.function_words())  # a set's own order differs from run to run


def _word(rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.35:
        return rng.choice(_FUNCTION_WORDS)
    if draw < 0.92:
        return rng.choice(vocabulary())
    return rng.choice(vocabulary()) + rng.choice(_pieces())  # a word never seen


def _name(rng: random.Random) -> str:
    word = rng.choice(vocabulary()) + (rng.choice(_pieces()) if rng.random() < 0.3 else "")
    return word.capitalize()


def _acronym(rng: random.Random) -> str:
    return "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(2, 4)))


def _number(rng: random.Random) -> str:
    small, large = rng.randint(1, 99), rng.randint(100, 9999)
    return rng.choice([str(small), str(large), f"{large:,}", f"{small / 10:.1f}"])


def _address(rng: random.Random) -> str:
    host = f"{rng.choice(vocabulary())}.{rng.choice(['com', 'io', 'org', 'co'])}"
    return rng.choice([f"https://{host}/{rng.choice(vocabulary())}", f"www.{host}", host, "[email]"])


_DRAW = {"W": _word, "N": _name, "Q": _acronym, "D": _number, "U": _address}
_SLOT = re.compile(r"(?<![A-Za-z'])[WNQDU](?![A-Za-jl-z])|\*")


def _phrase(rng: random.Random) -> str:
    phrase_set = rng.choice(list(wording.phrase_sets().values()))
    coding = rng.choice([coding for coding in wording.CODINGS if phrase_set.phrases(coding)])
    phrases = [p for p in phrase_set.phrases(coding) if p not in phrase_set.into_only] or [
        p for p in phrase_set.phrases() if p not in phrase_set.into_only
    ]
    return rng.choice(phrases)


def _filled(rng: random.Random, with_phrases: bool) -> str:
    def draw(match: re.Match[str]) -> str:
        if match.group() != "*":
            return _DRAW[match.group()](rng)
        return _phrase(rng) if with_phrases else _word(rng)

    text = _SLOT.sub(draw, rng.choice(FRAMES))
    text = re.sub(r"\b([Aa])n? (?=([a-z]+))", lambda m: m[1] + article_for(m[2])[1:] + " ", text)
    # Ads come in sentences and in notes, so one in four starts small.
    return text if rng.random() < 0.25 else text[0].upper() + text[1:]


def sentence(rng: random.Random, phrases: bool = False, shuffled: bool = False) -> str:
    """A practice sentence of 5 to 40 words.

    Args:
        rng: the source of every random choice.
        phrases: whether it holds listed phrases (usually one or two); otherwise there are none, but for rare chance.
        shuffled: whether its words stand in random order.
    """
    while True:
        parts = [_filled(rng, with_phrases=phrases and i == 0) for i in range(rng.choice([1, 1, 2, 3]))]
        rng.shuffle(parts)
        words = " ".join(parts).split()
        if 5 <= len(words) <= 40:
            if shuffled:
                rng.shuffle(words)
            return " ".join(words)
