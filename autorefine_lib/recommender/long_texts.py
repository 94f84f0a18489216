"""Texts longer than an embedding model reads: their parts, and what is left out where they are cut.

A model reads the first tokens of a text: MiniLM 256, two of them its own, about 190 words. What stands after them
changes nothing. So texts that differ only there have equal scores.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tokenizers import Tokenizer

from autorefine_lib.errors import InputError

HANDLING = ("cut", "mean")
"""What is read of a long text: its beginning, or all of it in parts, whose embeddings are averaged."""


@dataclass(frozen=True)
class Window:
    """The part of a text that a model reads at once."""

    tokenizer: Tokenizer
    """The model's own, without a limit."""
    limit: int
    """Tokens that the model reads."""
    room: int
    """Those of them that are the text's."""
    handling: str
    """One of `HANDLING`."""

    def split(self, text: str) -> list[str]:
        """What is embedded of `text`: the whole of it under "cut", for the model cuts it itself.

        Under "mean": parts of at most `room` tokens that together are the text. They end between words, but a word of
        more tokens than that is divided.
        """
        if self.handling == "cut":
            return [text]
        encoded = self.tokenizer.encode(text, add_special_tokens=False)
        words, starts = encoded.word_ids, [0]
        while len(words) > (end := starts[-1] + self.room):
            starts.append(next((i for i in range(end, starts[-1], -1) if words[i] != words[i - 1]), end))
        cuts = [encoded.offsets[start][0] for start in starts[1:]]
        return [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]

    def describe(self, texts: Iterable[str], what: str) -> str:
        """How many of `texts`, called `what`, are longer, what share of these is left out, and how many that ties."""
        read = [self._count(text) for text in texts]
        long = [tokens for tokens, *_ in read if tokens > self.room]
        line = f"{what}: {len(long):,} of {len(read):,} longer than the {self.limit} tokens that are read"
        if self.handling == "mean":
            return f"{line} at once; they are read in parts"
        heads = Counter(head for _, head, _ in set(read))
        tied = sum(heads[head] > 1 for _, head, _ in read)
        left = f", {1 - self.room * len(long) / max(1, sum(long)):.0%} of the tokens of these left out"
        return line + (f"{left}; {tied:,} differ from another only there and have its scores" if long else "")

    def _count(self, text: str) -> tuple[int, int, int]:
        """Tokens of `text`, and a hash each of those that are read and of the others, which takes little memory."""
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        return len(ids), hash(tuple(ids[: self.room])), hash(tuple(ids[self.room :]))


def find_window(model: Any, handling: str) -> Window | None:
    """What a sentence-transformers model reads of a text; None where it reads all, or has no tokenizer of `tokenizers`.

    Raises:
        InputError: `handling` is none of `HANDLING`.
    """
    if handling not in HANDLING:
        raise InputError(f"long texts {handling!r}: one of {', '.join(HANDLING)}")
    limit, own = model.max_seq_length, getattr(model.tokenizer, "backend_tokenizer", model.tokenizer)
    if not isinstance(own, Tokenizer) or not limit or limit == float("inf"):
        return None
    tokenizer = Tokenizer.from_str(own.to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    prompt = model.prompts.get(model.default_prompt_name) or ""
    return Window(tokenizer, int(limit), int(limit) - len(tokenizer.encode(prompt).ids), handling)


def describe(recommender: object, candidates: Iterable[str], ads: Iterable[str]) -> list[str]:
    """A line on the candidates and one on the ads: how many are longer than the recommender reads, and what that does.

    No lines come from a recommender that reads all, or of which it is not known. A hybrid's are those of its parts.
    """
    windows = [getattr(each, "window", None) for each in getattr(recommender, "recommenders", [recommender])]
    sides = {"candidates": candidates, "ads": ads}
    return [window.describe(texts, what) for window in windows if window for what, texts in sides.items()]
