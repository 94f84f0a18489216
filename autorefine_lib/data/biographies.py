"""The text of one synthetic biography: sentences of this project, chosen with the odds of real wording.

`bio_words.json` holds how much more often women's biographies use a word than men's, counted on real biographies. The
weight of a sentence is exp(+s/2) for women and exp(-s/2) for men, where s is the scaled sum over its words. So what
tells women from men is spread over many common words, as in real texts. Nothing else depends on gender but the pronouns
and the word for the spouse.
"""

import math
import random
import re
from functools import cache

from autorefine_lib import resources
from autorefine_lib.data.config import CorpusConfig
from autorefine_lib.text.articles import article_for


@cache
def wording_score(template: str) -> float:
    """The sum of the log-odds, women against men, of the different words of a template; facts do not count."""
    log_odds = resources.load("bio_words")["log_odds"]
    words = set(re.findall(r"[a-z]{3,}", re.sub(r"{\w+}", " ", template).lower()))
    return sum(log_odds.get(word, 0.0) for word in sorted(words))


def draw_sentences(config: CorpusConfig, woman: bool, rng: random.Random) -> list[str]:
    """The templates of one biography in the order of the text, drawn without repetition."""
    bank = resources.load("bio_templates")
    sign = config.wording_scale * (0.5 if woman else -0.5)
    weights = {
        template: share / len(bank[part]) * math.exp(sign * wording_score(template))
        for part, share in config.parts
        for template in bank[part]
    }
    number = rng.choices(range(1, len(config.sentences) + 1), weights=config.sentences)[0]
    # The largest of u^(1/w) are a weighted sample without repetition (Efraimidis and Spirakis, 2006).
    keys = {template: math.log(rng.random()) / weight for template, weight in weights.items()}
    chosen = set(sorted(keys, key=keys.__getitem__)[-number:])
    return [template for template in weights if template in chosen]


def _other_occupation(occupation: str, rng: random.Random) -> str:
    """Another occupation, in two of three cases of the same field."""
    every = resources.load("corpus")["occupations"]
    field = every[occupation]["field"] if rng.random() < 2 / 3 else None
    return rng.choice([name for name in every if name != occupation and field in (None, every[name]["field"])])


def _draw_facts(config: CorpusConfig, occupation: str, woman: bool, age: int, rng: random.Random) -> dict[str, str]:
    every, other = resources.load("corpus")["occupations"], _other_occupation(occupation, rng)
    known = occupation
    if rng.random() < config.change_rate:
        known, other = other, known
    cities = rng.sample(resources.load("corpus")["cities"], 2)
    years = rng.randint(*config.years_by_age[age])
    typed = rng.random() < config.typed_spouse_rate

    def draw(key: str, number: int = 1) -> list[str]:
        own, borrowed = (rng.sample(every[name][key], number) for name in (known, other))
        return [b if rng.random() < config.borrow_rate else o for o, b in zip(own, borrowed, strict=True)]

    named = ["DJ" if name == "dj" else name.replace("_", " ") for name in (known, other)]
    return {
        **({"They": "She", "they": "she", "Their": "Her", "their": "her", "them": "her"} if woman else
           {"They": "He", "they": "he", "Their": "His", "their": "his", "them": "him"}),
        "occupation": named[0],
        "a_occupation": f"{article_for(named[0])} {named[0]}",
        "a_other": f"{article_for(named[1])} {named[1]}",
        "setting": draw("settings")[0],
        "credential": draw("credentials")[0],
        **{f"skill{i}": skill for i, skill in enumerate(draw("skills", 3), 1)},
        "other_skill": rng.choice(every[other]["skills"]),
        "years": str(years),
        "year": str(2023 - rng.randint(1, years)),
        "size": str(rng.randint(3, 15)),
        "children": rng.choice(["two", "three", "four"]),
        "city": cities[0],
        "city2": cities[1],
        "spouse": ("husband" if woman else "wife") if typed else "partner",
    }  # fmt: skip


def write_biography(config: CorpusConfig, occupation: str, woman: bool, race: str, age: int, rng: random.Random) -> str:
    """A biography in the third person, without a name, of one to seven sentences.

    Args:
        config: its rates.
        occupation: a name of `corpus.json`.
        woman: decides the pronouns and the odds of the sentences.
        race: of a Black, Hispanic or Asian person a sentence may name a matching association.
        age: row of `config.years_by_age`.
        rng: source of all draws.
    """
    facts = _draw_facts(config, occupation, woman, age, rng)
    chosen = draw_sentences(config, woman, rng)
    associations = resources.load("bio_templates")["affiliation"].get(race, [])
    if associations and rng.random() < config.affiliation_rate:
        chosen.append(rng.choice(associations))
    written = [template.format_map(facts) for template in chosen]
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in written)
