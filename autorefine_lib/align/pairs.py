"""Pairs of sentences that teach the embedded generator to swap listed phrases without a direction."""

import random

import pandas as pd

from autorefine_lib.align import practice_sentences
from autorefine_lib.data import ads, corpus
from autorefine_lib.text import sentences, wording


def alignment_pairs(
    config: corpus.CorpusConfig | None = None, n: int = 50_000, seed: int = 0, template_share: float = 0.35
) -> pd.DataFrame:
    """Training pairs for the generator: source sentence, and the sentence it may be rewritten to.

    60 % swap each listed phrase (with probability 0.7) for another of its set, at random: a `template_share` of all
    pairs in sentences of the training families' templates, the rest in practice sentences. 40 % are plain copies
    without a listed phrase: template sentences, practice sentences and shuffled words. Templates of validation and
    test families never occur.
    """
    config = config or corpus.CorpusConfig()
    rng = random.Random(f"alignment {config.seed} {seed}")
    even = dict.fromkeys(wording.CODINGS, 1 / 3)
    companies = corpus.company_names(config)["train"]
    templates = [template for section in ads.DEALT for template in ads.sentences_of(section, "train")]
    coded = [template for template in templates if "<" in template]
    plain = [template for template in templates if "<" not in template]

    def from_template(choices: list[str]) -> str:
        occupation = rng.choice(list(companies))
        facts = ads.draw_facts(corpus.occupations()[occupation], rng.choice(companies[occupation]), rng)
        return ads.fill(rng.choice(choices), facts, even, rng)

    def pair(kind: str) -> tuple[str, str]:
        if kind == "template":
            source = from_template(coded)
        elif kind == "plain":
            source = from_template(plain)
        else:
            source = practice_sentences.sentence(rng, phrases=kind == "practice", shuffled=kind == "shuffled copy")
        return source, wording.swap(source, rng, probability=0.7 if kind in ("template", "practice") else 0.0)

    swapped = round(100 * template_share)
    weights = {"template": swapped, "practice": 60 - swapped, "plain": 10, "practice copy": 20, "shuffled copy": 10}
    rows = []
    for kind in rng.choices(list(weights), weights=list(weights.values()), k=n):
        is_swap = kind in ("template", "practice")
        source, target = pair(kind)
        # A swap must change something and a copy hold nothing to swap, or the two tasks contradict each other.
        while (
            not sentences.rewritable(source) or (source != target) != is_swap or bool(wording.find(source)) != is_swap
        ):
            source, target = pair(kind)
        rows.append((source, target))
    return pd.DataFrame(rows, columns=["source", "target"])
