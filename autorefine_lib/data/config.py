"""The parameters of the embedded corpus, each with what it means and its source."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CorpusConfig:
    """The parameters of the synthetic corpus; under each is what it means and its source."""

    seed: int = 0
    # Seed of all draws; the same configuration gives the same corpus on every machine.

    companies_per_occupation: tuple[int, int, int] = (6, 1, 2)
    # Companies in train, validation and test; a company belongs to one split, so no employer is seen twice. Ours.

    ads_per_company: int = 2
    # Ads of a company; with 28 occupations and 9 companies each this makes 504 ads: 336, 56 and 112. Ours.

    candidates_per_occupation: int = 70
    # Equal numbers, so that small occupations can be measured too; 1,960 biographies in all. Ours.

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

    sentences: tuple[int, ...] = (1, 10, 18, 23, 20, 15, 13)
    # Weights of biographies of 1, 2, ... 7 sentences: median 44 words, about the 48 of a public sample of Bias in Bios.

    parts: tuple[tuple[str, float], ...] = (
        ("opening", 0.20), ("career", 0.20), ("work", 0.25), ("education", 0.13), ("extra", 0.14), ("private", 0.08),
    )  # fmt: skip
    # Shares of the kinds of sentences before the odds of women and men come in. Ours.

    wording_scale: float = 0.75
    # Factor on the log-odds of `bio_words.json`. With it a classifier of gender does as well here as on real ones
    # (`reports/data_card.md`). It was set before any impact ratio was computed.

    borrow_rate: float = 0.25
    # Chance that a skill, workplace or credential is that of another occupation, mostly of the same field: side jobs,
    # overlapping work and former careers. Set so that the MRR of the ads is below 0.9, as in real pools. Ours.

    change_rate: float = 0.15
    # Chance that a person changed the occupation, and that most of the text is about the former one. Ours.

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


DEFAULT = CorpusConfig()
"""The corpus of the embedded profile."""
