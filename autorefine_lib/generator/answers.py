"""What a chat model puts around the text that it was asked for, taken off: thoughts, preambles, fences and quotes."""

import re

_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)|<\|?[a-z_/]+\|?>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"\A```[a-z]*\n(.*?)\n?```\Z", re.DOTALL | re.IGNORECASE)
_PREAMBLE = re.compile(
    r"\A(?:(?:sure|certainly|of course|okay|absolutely)\b[^\n:]{0,80}[:!.]\s*)?"
    r"(?:(?:here(?:'s| is| are)|this is|below is|the (?:rewritten|revised|rephrased|reworded|new)|rewritten|revised|"
    r"rephrased|reworded|rewrite|paraphrase|answer|output|response|sentence)\b[^\n:]{0,120}:\s*)?",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "“": "”", "'": "'", "«": "»", "*": "*", "`": "`"}


def clean_answer(source: str, answer: str) -> str:
    """`answer` without what is not part of the rewrite of `source`; where the source has the like, it stays.

    One sentence is asked for, so of several paragraphs the first one counts.
    """
    text = _THOUGHTS.sub("", answer).strip()
    if fenced := _FENCE.match(text):
        text = fenced[1].strip()
    if _PREAMBLE.sub("", source) == source:
        text = _PREAMBLE.sub("", text).strip()
    if "\n" not in source:
        text = next((part.strip() for part in text.split("\n") if part.strip()), "")
    for opening, closing in _QUOTES.items():
        wrapped = len(text) > 2 and text.startswith(opening) and text.endswith(closing)
        if wrapped and not source.startswith(opening) and opening not in text[1:-1]:
            text = text[1:-1].strip()
    return _like_source(source, text)


def _like_source(source: str, text: str) -> str:
    """First letter, last mark and white space around as in the source: they belong to its place in the ad."""
    if not text or not source.strip():
        return text
    first = source.lstrip()[0]
    if source.islower():  # as all of some ads is, names too
        text = text.lower()
    elif first.islower() and text[0].isupper() and text[1:2].islower():
        text = text[0].lower() + text[1:]
    elif first.isupper() and text[0].islower():
        text = text[0].upper() + text[1:]
    last, ends = source.rstrip()[-1], ".!;,"
    if last.isalnum() and text[-1] in ends:
        text = text.rstrip(ends)
    elif last in ends and text[-1] in ends:
        text = text[:-1] + last
    elif last in ends and text[-1].isalnum():
        text += last
    return source[: len(source) - len(source.lstrip())] + text + source[len(source.rstrip()) :]
