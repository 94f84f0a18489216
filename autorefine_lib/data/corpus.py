"""The embedded corpus: ads on real task statements, and synthetic people. No real person or company is in it.

Ads: O*NET task statements, and sentences of this project for the rest. Candidates: sentences of this project, chosen
with the odds of words in real biographies of women and men (`bio_words.json`). Sentences and facts: ``resources/``.
"""

import random

import pandas as pd

from autorefine_lib import resources
from autorefine_lib.data import ads, biographies
from autorefine_lib.data.config import DEFAULT, CorpusConfig

AGE_BANDS = ("20-34", "35-49", "50-69")


def occupations() -> dict[str, dict]:
    """The 28 occupations of Bias in Bios: published share of women, and what the synthetic texts say of them."""
    return resources.load("corpus")["occupations"]


def coding_shares(config: CorpusConfig, share_women: float, rng: random.Random) -> dict[str, float]:
    """An ad's own shares of masculine, neutral and feminine phrases: one Dirichlet draw around the configured means."""
    masculine = config.masculine_rate + config.masculine_slope * (0.5 - share_women)
    feminine = config.feminine_rate
    means = {"masculine": masculine, "neutral": 1.0 - masculine - feminine, "feminine": feminine}
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


def make_jobs(config: CorpusConfig = DEFAULT) -> pd.DataFrame:
    """The ads: job_id, title, text, occupation, split, company, form.

    Each company, O*NET statement and sentence belongs to one split.
    """
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


def make_candidates(config: CorpusConfig = DEFAULT) -> pd.DataFrame:
    """The synthetic biographies: candidate_id, text, occupation, gender, race, age_band.

    Third person, without a name. Gender follows the published share of women exactly (rounded); race and age band
    are drawn independently. Nonbinary people are absent, as they are from the published shares.
    """
    rng = random.Random(f"candidates {config.seed}")
    races, race_weights = zip(*config.race_shares, strict=True)
    rows: list[tuple[str, ...]] = []
    for occupation, content in occupations().items():
        women = round(content["share_women"] * config.candidates_per_occupation)
        for i in range(config.candidates_per_occupation):
            race = rng.choices(races, weights=race_weights)[0]
            age = rng.choices(range(len(AGE_BANDS)), weights=config.age_shares)[0]
            text = biographies.write_biography(config, occupation, i < women, race, age, rng)
            gender = "female" if i < women else "male"
            rows.append((f"cand-{len(rows):05d}", text, occupation, gender, race, AGE_BANDS[age]))
    return pd.DataFrame(rows, columns=["candidate_id", "text", "occupation", "gender", "race", "age_band"])
