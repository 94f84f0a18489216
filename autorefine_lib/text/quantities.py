"""Numbers of a text with their units, however they are written: "5+ years" and "five years", "$60,000" and "60k"."""

import re
from typing import NamedTuple

from autorefine_lib import resources
from autorefine_lib.text.tokens import Token

MONTHS, PERCENT = "months", "%"
_WORDS, _SCALES, _SUFFIXES, _CURRENCIES, _SPANS = (
    resources.load("quantities")[name] for name in ("numbers", "scales", "suffixes", "currencies", "spans")
)
_BETWEEN = frozenset(resources.load("quantities")["between"])
_PART = re.compile(r"([$€£¥]?)(\d+(?:[.,]\d+)*)([a-z]*)(\+|%|)")
_ENUMERATOR = re.compile(r"\d{1,2}")
_GROUPED, _THREE = re.compile(r"[$€£¥]?\d{1,3}(?:,\d{3})*"), re.compile(r"\d{3}")
_GLUED = re.compile(r"[a-z]{4,}\d.*|\d+[.:][^\W\d]{3,}.*")  # "years5", "2.Ability": a space got lost


class Quantity(NamedTuple):
    """A number of a text. Amounts in years are turned into months."""

    value: float
    unit: str  # "" (a bare number), "months", "%" or the sign of a currency
    first: int  # index of its first token
    last: int  # index of its last token
    weak: bool  # "one" and "two" in letters, "2." before a sentence: can stand for a number, but are never missed


def same(a: Quantity, b: Quantity) -> bool:
    """Whether two quantities say the same: equal amounts, and units that are equal or left out in one of the two."""
    units = {a.unit, b.unit}
    return a.value == b.value and (len(units) == 1 or ("" in units and MONTHS not in units))


def find(tokens: list[Token], taken: set[int]) -> tuple[list[Quantity], list[int]]:
    """The quantities among `tokens`, and the indices of facts that are no quantity (addresses, dates, "EC2").

    Args:
        taken: indices of tokens that belong to something else ("Series 7").
    """
    found: list[Quantity] = []
    opaque: list[int] = []
    index = 0
    while index < len(tokens):
        token, start = tokens[index], index
        index += 1
        if start in taken:
            continue
        if token.kind == "fact":
            key, index = _with_thousands(tokens, start)
            parts = _parts(key)
            if parts is None:
                opaque += [] if _GLUED.fullmatch(token.text) else [start]
                continue
        elif token.key in _WORDS:
            value, index = _spelled(tokens, start)
            parts = [(value, "")]
        elif token.key in _SPANS:
            _give_span(found, tokens, start)
            continue
        else:
            continue
        weak = parts[0][0] <= 2 if token.kind == "word" else _counts_points(tokens, start)
        scale = _SCALES.get(tokens[index].key, 1) if index < len(tokens) else 1
        index += scale > 1
        unit, first, last = _unit(tokens, start, index)
        found += [Quantity(value * scale, own or unit, first, last, weak) for value, own in parts]
    return found, opaque


def _with_thousands(tokens: list[Token], index: int) -> tuple[str, int]:
    """The number at `index` with groups of three digits that a space parts ("60 000"), and the index behind it."""
    key, end = tokens[index].key, index + 1
    while _GROUPED.fullmatch(key) and end < len(tokens) and _THREE.fullmatch(tokens[end].key):
        if tokens[end].start != tokens[end - 1].end + 1:
            break
        key, end = f"{key},{tokens[end].key}", end + 1
    return key, end


def _counts_points(tokens: list[Token], index: int) -> bool:
    """Whether the number at `index` numbers a point of a list: "2. Do that"."""
    if not _ENUMERATOR.fullmatch(tokens[index].text) or index + 2 >= len(tokens):
        return False
    return tokens[index + 1].text in (".", ")") and tokens[index + 2].text[0].isupper()


def _parts(key: str) -> list[tuple[float, str]] | None:
    """Amounts and units of "60-80k", "$30.50/hr", "3-5", "100%", "5-year"; None for what is no amount."""
    *heads, last = re.split(r"[-–/]", key)
    if heads and last.isalpha():  # "5-year", "30.50/hr", "10-person"
        months = _SPANS.get(last) if "/" not in key else None
        inner = _amounts(heads)
        return inner and [(value * months, MONTHS) if months else (value, unit) for value, unit in inner]
    return _amounts([*heads, last])


def _amounts(parts: list[str]) -> list[tuple[float, str]] | None:
    matches = [match for part in parts if (match := _PART.fullmatch(part))]
    if len(matches) < len(parts) or len(parts) > 2:
        return None
    amounts = []
    for match in matches:
        _, digits, suffix, end = match.groups()
        sign = match[1] or matches[0][1]
        # "60-80k" is 60,000 to 80,000.
        suffix = suffix or (matches[-1][3] if matches[-1][3] in _SUFFIXES and len(digits) < 4 else "")
        if suffix in _SPANS or suffix == "y":
            amounts.append((_number(digits) * _SPANS.get(suffix, 12), MONTHS))
        elif suffix and suffix not in _SUFFIXES:
            return None
        else:
            amounts.append((_number(digits) * _SUFFIXES.get(suffix, 1), PERCENT if end == "%" else sign))
    if len(amounts) == 2 and amounts[0][1] in _CURRENCIES and amounts[0][0] < 1_000 < amounts[1][0] / amounts[0][0]:
        amounts[0] = (amounts[0][0] * 1_000, amounts[0][1])  # "$40-65,000"
    return amounts


def _number(digits: str) -> float:
    """ "60,000" and "60.000" are sixty thousand, "1,000.50" and "1.5" have decimals."""
    *head, tail = re.split(r"[.,]", digits[:40])
    if not head:
        return float(tail)
    decimals = len(tail) != 3 or ("." in digits and "," in digits)
    return float("".join(head) + "." + tail) if decimals else float("".join(head) + tail)


def _spelled(tokens: list[Token], index: int) -> tuple[float, int]:
    """The number that starts at `index` in letters ("twenty-five"), and the index behind it."""
    value = _WORDS[tokens[index].key]
    index += 1
    dashed = index + 1 < len(tokens) and tokens[index].text == "-"
    ones = _WORDS.get(tokens[index + dashed].key, 0) if index < len(tokens) else 0
    if value >= 20 and 0 < ones < 10:
        return value + ones, index + dashed + 1
    return value, index


def _unit(tokens: list[Token], first: int, behind: int) -> tuple[str, int, int]:
    """The unit beside a number ("USD 60,000", "80,000 EUR", "50 percent"), and the first and last token of both."""
    after = [token.key for token in tokens[behind : behind + 2]]
    if after[:1] in (["percent"], ["%"]):
        return PERCENT, first, behind
    if after == ["per", "cent"]:
        return PERCENT, first, behind + 1
    if first and tokens[first - 1].key in _CURRENCIES:
        return _CURRENCIES[tokens[first - 1].key], first - 1, behind - 1
    if after and after[0] in _CURRENCIES:
        return _CURRENCIES[after[0]], first, behind
    return "", first, behind - 1


def _give_span(found: list[Quantity], tokens: list[Token], index: int) -> None:
    """Turn the numbers right before the "years" at `index` into months, in place."""
    behind = index
    for position in range(len(found) - 1, -1, -1):
        quantity = found[position]
        if any(token.key not in _BETWEEN for token in tokens[quantity.last + 1 : behind]):
            return
        if quantity.unit == "":
            months = quantity.value * _SPANS[tokens[index].key]
            found[position] = quantity._replace(value=months, unit=MONTHS, last=index, weak=False)
        behind = quantity.first
