"""The embedded corpus: synthetic job ads and biographies with gender-coded wording. No real person or company is in it.

Facts, sentence templates and phrase sets are in ``resources/``; each number of the generation is a field of
`CorpusConfig`. The parameters come from the literature, were set first and were not tuned to a result.
"""

import random
import re
from dataclasses import dataclass

import pandas as pd

from autorefine_lib import resources
from autorefine_lib.data import ads
from autorefine_lib.text.articles import article_for

AGE_BANDS = ("20-34", "35-49", "50-69")


@dataclass(frozen=True)
class CorpusConfig:
    """The parameters of the synthetic corpus; under each is what it means and its source."""

    seed: int = 0
    # Seed of all draws; the same configuration gives the same corpus on every machine.

    companies_per_occupation: tuple[int, int, int] = (6, 1, 2)
    # Companies in train, validation and test; a company belongs to one split, so no employer is seen twice. Ours.

    ads_per_company: int = 2
    # Ads of a company; with 28 occupations and 9 companies each this makes 504 ads: 336, 56 and 112. Ours.

    candidates_per_occupation: int = 190
    # Equal numbers, so that small occupations can be measured too; 5,320 biographies in all. Ours.

    masculine_rate: float = 0.45
    # Mean share of masculine-coded phrases in an ad of a gender-balanced occupation. Gaucher, Friesen and Kay (2011)
    # find more masculine than feminine words in most fields; the round figure is ours.

    feminine_rate: float = 0.20
    # Mean share of feminine-coded phrases, the same in all occupations: Gaucher et al. (2011, studies 1 and 2) find no
    # difference in feminine wording between male- and female-dominated fields. The round figure is ours.

    masculine_slope: float = 0.30
    # Rise of the masculine share from an all-female to an all-male occupation. Direction: Gaucher et al. (2011),
    # studies 1 and 2; the size, a round figure, is ours.

    coding_concentration: float = 4.0
    # Concentration of the Dirichlet draw of an ad's shares. It is low, so that wording ranges from strongly masculine
    # to strongly feminine, as in published ads (Gaucher et al., 2011). Ours.

    trait_rate: float = 0.8
    # Chance that a biography holds a sentence about the person's manner. Ours.

    communal_rate: tuple[float, float] = (0.40, 0.25)
    # Chance (women, men) that this sentence is communal: women are described as more communal (Madera, Hebl and
    # Martin, 2009, J. Appl. Psychol. 94(6), 1591-1599). The direction is theirs, the round figures are ours.

    agentic_rate: tuple[float, float] = (0.25, 0.40)
    # Chance (women, men) that it is agentic or a standout adjective: Madera et al. (2009); Schmader, Whitehead and
    # Wysocki (2007, Sex Roles 57, 509-514). The rest is plain. The direction is theirs, the round figures are ours.

    family_rate: tuple[float, float] = (0.20, 0.12)
    # Chance (women, men) of a sentence on family: such words mark women's biographies (De-Arteaga et al., 2019,
    # section 5). The direction is theirs, the round figures are ours.

    pastime_rate: tuple[float, float] = (0.08, 0.14)
    # Chance (women, men) of a sentence on sport or another pastime. In Bolukbasi et al. (2016) such activities lie on
    # the male side of the gender axis; the round figures are ours.

    typed_spouse_rate: float = 0.85
    # Chance that the spouse is named "husband" or "wife" after the majority pattern and not "partner". Ours.

    race_shares: tuple[tuple[str, float], ...] = (("White", 0.60), ("Hispanic", 0.19), ("Black", 0.13), ("Asian", 0.08))
    # Round approximation of the employed in the United States (Bureau of Labor Statistics, Current Population Survey,
    # table 5 and 18, 2023). Drawn independently of occupation and gender, unlike in reality.

    affiliation_rate: float = 0.10
    # Chance that a Black, Hispanic or Asian person's biography names a matching association: most applicants leave
    # such cues out or "whiten" them (Kang, DeCelles, Tilcsik and Jun, 2016, Adm. Sci. Q. 61(3), 469-502). Our figure.

    age_shares: tuple[float, float, float] = (0.34, 0.34, 0.32)
    # Shares of the bands 20-34, 35-49 and 50-69 among the employed, rounded from the Current Population Survey 2023.

    years_by_age: tuple[tuple[int, int], ...] = ((2, 9), (8, 22), (18, 38))
    # Years of work that a biography of each age band may state, its only sign of age. Ours.


def occupations() -> dict[str, dict]:
    """The 28 occupations of Bias in Bios: published share of women, and what the synthetic texts say of them."""
    return resources.load("corpus")["occupations"]


def coding_shares(config: CorpusConfig, share_women: float, rng: random.Random) -> dict[str, float]:
    """An ad's own shares of masculine, neutral and feminine phrases: one Dirichlet draw around the configured means."""
    masculine = config.masculine_rate + config.masculine_slope * (0.5 - share_women)
    means = {
        "masculine": masculine,
        "neutral": 1.0 - masculine - config.feminine_rate,
        "feminine": config.feminine_rate,
    }
    drawn = {coding: rng.gammavariate(config.coding_concentration * mean, 1.0) for coding, mean in means.items()}
    total = sum(drawn.values())
    return {coding: value / total for coding, value in drawn.items()}


def company_names(config: CorpusConfig) -> dict[str, dict[str, list[str]]]:
    """Company names by split and occupation; no name occurs twice."""
    rng = random.Random(f"companies {config.seed}")
    splits = ("train", "validation", "test")
    names: dict[str, dict[str, list[str]]] = {split: {} for split in splits}
    taken: set[str] = set()
    first_names = resources.load("corpus")["company_names"]
    for occupation, content in occupations().items():
        possible = [f"{name} {kind}" for name in first_names for kind in content["organizations"]]
        free = [name for name in possible if name not in taken]
        drawn = rng.sample(free, sum(config.companies_per_occupation))
        taken.update(drawn)
        for split, number in zip(splits, config.companies_per_occupation, strict=True):
            names[split][occupation], drawn = drawn[:number], drawn[number:]
    return names


def make_jobs(config: CorpusConfig | None = None) -> pd.DataFrame:
    """The ads: job_id, title, text, occupation, split, company, form.

    Each company, O*NET statement and sentence belongs to one split.
    """
    config = config or CorpusConfig()
    rng = random.Random(f"jobs {config.seed}")
    forms = sorted(resources.load("ad_templates")["forms"])
    rows: list[tuple[str, ...]] = []
    for split, by_occupation in company_names(config).items():
        for occupation, companies in by_occupation.items():
            content = occupations()[occupation]
            for company in (company for company in companies for _ in range(config.ads_per_company)):
                form, facts = rng.choice(forms), ads.draw_facts(content, company, rng)
                shares = coding_shares(config, content["share_women"], rng)
                text = ads.write_ad(form, content, facts, shares, split, f"ad {config.seed} {len(rows)}")
                rows.append((f"job-{len(rows):05d}", facts["title"], text, occupation, split, company, form))
    return pd.DataFrame(rows, columns=["job_id", "title", "text", "occupation", "split", "company", "form"])


def third_person(verb_phrase: str) -> str:
    """ "teach yoga" -> "teaches yoga": the third person singular of a phrase that begins with a regular verb."""
    verb, _, rest = verb_phrase.partition(" ")
    if re.search(r"(?:s|x|z|ch|sh|o)$", verb):
        verb += "es"
    elif re.search(r"[^aeiou]y$", verb):
        verb = verb[:-1] + "ies"
    else:
        verb += "s"
    return f"{verb} {rest}"


def _finish(sentence: str) -> str:
    """Put in "a" or "an" for the mark a~, and a capital at the start."""
    sentence = re.sub(r"\b([Aa])~ (?=(\w+))", lambda m: m[1] + article_for(m[2])[1:] + " ", sentence)
    return sentence[0].upper() + sentence[1:]


def _work_facts(content: dict, rng: random.Random) -> dict[str, str]:
    """The duties and skills of an occupation in random order: duty1, duty1s ("teach", "teaches"), skill1 and on."""
    facts: dict[str, str] = {}
    for i, duty in enumerate(rng.sample(content["duties"], len(content["duties"])), 1):
        facts |= {f"duty{i}": duty, f"duty{i}s": third_person(duty)}
    return facts | {f"skill{i}": s for i, s in enumerate(rng.sample(content["skills"], len(content["skills"])), 1)}


def _next_facts(facts: dict[str, str], sentence: int) -> dict[str, str]:
    """Facts for one sentence of a text: other duties and skills each time, so that no text repeats itself."""

    def shifted(key: str) -> str:
        match = re.fullmatch(r"(duty|skill)(\d)(s?)", key)
        if not match:
            return key
        kind, number, ending = match.groups()
        return f"{kind}{(int(number) - 1 + 3 * sentence) % (8 if kind == 'duty' else 6) + 1}{ending}"

    return {key: facts[shifted(key)] for key in facts}


def _bio_facts(config: CorpusConfig, occupation: str, woman: bool, age: int, rng: random.Random) -> dict[str, str]:
    content = occupations()[occupation]
    cities = rng.sample(resources.load("corpus")["cities"], 2)
    name = "DJ" if occupation == "dj" else occupation.replace("_", " ")
    typed = rng.random() < config.typed_spouse_rate
    return {
        **({"They": "She", "they": "she", "Their": "Her", "their": "her", "them": "her"} if woman else
           {"They": "He", "they": "he", "Their": "His", "their": "his", "them": "him"}),
        "a_occupation": f"{article_for(name)} {name}",
        "setting": rng.choice(content["settings"]),
        "credential": rng.choice(content["credentials"]),
        **_work_facts(content, rng),
        "years": str(rng.randint(*config.years_by_age[age])),
        "size": str(rng.randint(3, 15)),
        "children": rng.choice(["two", "three", "four"]),
        "city": cities[0],
        "city2": cities[1],
        "spouse": ("husband" if woman else "wife") if typed else "partner",
    }  # fmt: skip


def _bio(config: CorpusConfig, occupation: str, woman: bool, race: str, age: int, rng: random.Random) -> str:
    templates, column = resources.load("bio_templates"), 0 if woman else 1
    facts = _bio_facts(config, occupation, woman, age, rng)
    chosen = rng.sample(templates["opening"], 1) + rng.sample(templates["work"], rng.randint(1, 2))
    if rng.random() < config.trait_rate:
        communal, agentic = config.communal_rate[column], config.agentic_rate[column]
        kind = rng.choices(["communal", "agentic", "plain"], weights=[communal, agentic, 1 - communal - agentic])[0]
        chosen.append(rng.choice(templates[kind]))
    family, pastime = config.family_rate[column], config.pastime_rate[column]
    private = rng.choices(["family", "pastime", None], weights=[family, pastime, 1 - family - pastime])[0]
    if race in templates["affiliation"] and rng.random() < config.affiliation_rate:
        chosen.append(rng.choice(templates["affiliation"][race]))
    elif private:
        chosen.append(rng.choice(templates[private]))
    return " ".join(_finish(template.format_map(_next_facts(facts, i))) for i, template in enumerate(chosen))


def make_candidates(config: CorpusConfig | None = None) -> pd.DataFrame:
    """The synthetic biographies: candidate_id, text, occupation, gender, race, age_band.

    Third person, without a name. Gender follows the published share of women exactly (rounded); race and age band
    are drawn independently. Nonbinary people are absent, as they are from the published shares.
    """
    config = config or CorpusConfig()
    rng = random.Random(f"candidates {config.seed}")
    races, race_weights = zip(*config.race_shares, strict=True)
    rows: list[tuple[str, ...]] = []
    for occupation, content in occupations().items():
        women = round(content["share_women"] * config.candidates_per_occupation)
        for i in range(config.candidates_per_occupation):
            race = rng.choices(races, weights=race_weights)[0]
            age = rng.choices(range(len(AGE_BANDS)), weights=config.age_shares)[0]
            text = _bio(config, occupation, i < women, race, age, rng)
            gender = "female" if i < women else "male"
            rows.append((f"cand-{len(rows):05d}", text, occupation, gender, race, AGE_BANDS[age]))
    return pd.DataFrame(rows, columns=["candidate_id", "text", "occupation", "gender", "race", "age_band"])
