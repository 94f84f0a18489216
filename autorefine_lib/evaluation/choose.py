"""Rewrites chosen by their measured effect: best of N for a user's own ads, ranked with the user's own candidates.

Several rewrites of each sentence are sampled and judged by the guards. Those that pass are ranked inside their ads, and
greedy search (`reward_gate.greedy_search`) keeps what brings the groups closer to parity, over all ads of a setting
together. An edit stays only if the gap would be clearly wider without it.

What is chosen fits the recommender and the candidates that it was measured with. Another recommender, or other people,
may be moved less, or the other way.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import reward_gate
from autorefine_lib.evaluation.reward_gate import Chosen
from autorefine_lib.generator.answers import clean_answer
from autorefine_lib.generator.deploy import blank_tags, explain_copy, explain_refusal, make_record
from autorefine_lib.generator.generator import Edit, Generator
from autorefine_lib.metrics import bootstrap, groups, ranking
from autorefine_lib.recommender import long_texts
from autorefine_lib.recommender.dense import DenseRecommender
from autorefine_lib.recommender.scores import check_k
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.reward import RankingReward, deploy
from autorefine_lib.text import sentences

SAMPLES = 4
"""Rewrites of a sentence that are sampled."""
TEMPERATURE = 0.4
"""Of sampling, half of that in training: 2 of 120 accepted rewrites are wrong, there 7 (reports/faithfulness)."""
LEAST_EFFECT = 0.01
"""Of an edit, times the ads of its setting: about one per cent of its own ad's ratio. For less than that no sentence is
changed: some of the accepted rewrites are wrong (reports/faithfulness)."""
FEW_ADS = 10
"""With fewer ads a ratio is called coarse; with as many or more an interval says whether chance explains its change."""
NOT_MEASURED = "the effect on a ranking was not measured; --candidates people.csv measures it and chooses by it"
_AT_ONCE = 512
Effects = dict[str, dict[int, float]]
"""What each chosen rewrite does, by job_id and position: the gap of the ad's setting with this one edit taken back, and
all others in place, less the gap with it. Positive: the edit brings the groups closer to parity. The gap is that of
`LinearGap`: the mean over the groups of |log ratio of selection|, by the soft selection, pooled over the setting's ads.
So 0.01 is about one per cent of a ratio, and the same edit counts for less among more ads."""


def build_judge(
    recommender: DenseRecommender,
    ads: Mapping[str, str],
    candidates: Dataset,
    attribute: str,
    k: int,
    occupations: Mapping[str, str | None] | None = None,
) -> Judge:
    """The judge of a user's ads.

    Args:
        recommender: fitted to the candidates.
        ads: texts by job_id.
        candidates: with candidate_id, text and the attribute. Whoever has no group is ranked with the others, and
            belongs to none.
        attribute: column of the candidates that names their groups, two or more.
        k: how many candidates an ad selects.
        occupations: of the ads, by job_id, where they are known. Ads of one occupation make a setting.

    Raises:
        InputError: no ad, one group only, a group of one, or k not below the number of candidates.
    """
    if not ads:
        raise InputError("there is no ad with English text; give at least one")
    check_k(k, len(candidates))
    if k == len(candidates):
        raise InputError(f"k={k} selects every candidate, so no wording can change who is; choose a smaller k")
    names, members = groups.find_members(candidates, attribute)
    if len(names) < 2 or members.sum(1).min() < 2:
        sizes = ", ".join(f"{name!r} {size}" for name, size in zip(names, members.sum(1), strict=True))
        found = f"candidates: '{attribute}' has {sizes}; a ratio compares two groups or more"
        raise InputError(f"{found}, each of at least 2 candidates; an empty value counts as unknown")
    if "occupation" not in candidates.column_names:
        candidates = candidates.add_column("occupation", [None] * len(candidates))
    known = [(occupations or {}).get(job_id) for job_id in ads]
    jobs = Dataset.from_dict({"job_id": list(ads), "text": list(ads.values()), "occupation": known})
    return Judge(recommender, jobs, candidates, attribute, k)


def sample_rewrites(
    generator: Generator, reward: RankingReward, samples: int = SAMPLES, seed: int = 0, progress: bool = False
) -> pd.DataFrame:
    """Sample rewrites of every sentence of the judge's ads, at `TEMPERATURE`, and rank those that pass.

    Args:
        reward: built with the judge and `generator.finish`.
        samples: rewrites of each sentence.
        seed: of sampling.
        progress: whether a bar is shown.

    Returns:
        The columns of `RankingReward.score`, where each rewrite stands alone in its ad, and completion, the answer
        without what a chat model puts around it. One row a different answer. It goes to `choose_rewrites`, also with a
        reward of another k.

    Raises:
        InputError: fewer than one sample.
    """
    if samples < 1:
        raise InputError(f"samples={samples} is below 1; choose for instance {SAMPLES}")
    ads = reward.measures.originals
    drawn = pd.concat([pd.DataFrame(generator.episodes(list(ads), list(ads.values())))] * samples)
    answers = generator.complete(drawn["source"].tolist(), TEMPERATURE, seed, progress)
    drawn["completion"] = list(map(clean_answer, drawn["source"], answers))
    drawn = drawn[["completion", "job_id", "position"]].drop_duplicates(ignore_index=True)
    # In parts, for each row has as many scores as there are candidates.
    parts = [drawn[start : start + _AT_ONCE] for start in range(0, max(1, len(drawn)), _AT_ONCE)]
    tables = [reward.score(*part.to_dict("list").values()) for part in parts]
    return pd.concat(tables, ignore_index=True).assign(completion=drawn["completion"])


def choose_rewrites(reward: RankingReward, tried: pd.DataFrame) -> tuple[Chosen, Effects]:
    """The rewrites that bring the groups closest to parity, and the effect of each; none may be left.

    Greedy search chooses. Then edits that do too little (`LEAST_EFFECT`) are taken back, the one that does least first:
    an edit that was right when it was chosen may be one too many after the later ones.

    Args:
        tried: from `sample_rewrites`.
    """
    chosen, originals = reward_gate.greedy_search(reward, tried), reward.measures.originals
    while True:
        ads = {job: deploy(originals[job], edits) for job, edits in chosen.items()}
        sums, effects = reward.linear.exposures(ads, "exposure"), {}
        for job, edits in chosen.items():
            without = [deploy(originals[job], {at: edits[at] for at in edits if at != place}) for place in edits]
            gaps, _ = reward_gate.measure_gaps(reward.linear, sums, job, [ads[job], *without])
            effects[job] = dict(zip(edits, (gaps[1:] - gaps[0]).tolist(), strict=True))
        sizes = {job: reward.linear.ads[reward.linear.row[job]] for job in effects}
        found = [(of_ad[place] * sizes[job], job, place) for job, of_ad in effects.items() for place in of_ad]
        least, job, place = min(found, default=(LEAST_EFFECT, "", 0))
        if least >= LEAST_EFFECT:
            return chosen, effects
        del chosen[job][place]
        chosen = {job: edits for job, edits in chosen.items() if edits}


def compare_rankings(judge: Judge, chosen: Chosen) -> tuple[pd.DataFrame, float]:
    """What the chosen rewrites do to the k selected, over all ads of the judge together.

    Returns:
        One row a group: group; reference, the group that the original ads select most; before and after, the impact
        ratios pooled over the ads (`ranking.impact_ratio`, whole pool); low and high, the 95 % interval of after less
        before by a paired bootstrap over ads, which tells nothing of a single ad. And the mean share of the k places of
        an ad that the same people hold before and after.
    """
    counts = judge.count(list(judge.jobs["text"]))
    changed, quality, _ = judge.measure(reward_gate.deploy_all(judge, chosen))
    table = ranking.impact_ratio(counts).rename(columns={"impact_ratio": "before"})[["group", "reference", "before"]]
    reference = table["reference"].iloc[0]
    table["after"] = ranking.impact_ratio(changed, reference=reference)["impact_ratio"]
    both = [[ranking.rate_counts(of, group, reference) for of in (counts, changed)] for group in table["group"]]
    table[["low", "high"]] = [bootstrap.interval(was, now)[1:] for was, now in both]
    return table, float(quality["overlap"].mean())


def choose_ads(
    generator: Generator, ads: pd.DataFrame, candidates: Dataset, attribute: str, k: int, samples: int
) -> tuple[Iterator[dict[str, Any]], list[str]]:
    """Rewrite ads by what the rewrites do to the ranking of the candidates by all-MiniLM-L6-v2.

    Ads that do not go to the generator (`explain_refusal`) are not ranked either.

    Args:
        generator: one that rewrites sentence by sentence.
        ads: from `deploy.read_ads` of `autorefine_lib.generator`.
        candidates: with candidate_id, text and the attribute.

    Returns:
        The record of each ad, in order: that of `rewrite_ads` with measured (true) and, in each edit, effect
        (`Effects`). And the lines about all of them together.

    Raises:
        InputError: a generator of whole ads; as `build_judge` and `sample_rewrites`.
    """
    if generator.level == "ad":
        raise InputError("this policy rewrites whole ads; --candidates needs one that rewrites sentence by sentence")
    ads = ads.set_axis([str(number) for number in range(len(ads))])  # job_ids may stand twice
    ads["note"] = [explain_refusal(text, generator) for text in ads["text"]]
    ads["plain"] = ["" if ad.note else blank_tags(ad.job_id, ad.text) for ad in ads.itertuples()]
    ranked = ads[ads["note"] == ""]
    judge = build_judge(DenseRecommender(), dict(ranked["plain"]), candidates, attribute, k, dict(ranked["occupation"]))
    judge.recommender.fit(candidates)
    reward = RankingReward(judge, generator.finish)
    tried = sample_rewrites(generator, reward, samples, progress=sys.stderr.isatty())
    chosen, effects = choose_rewrites(reward, tried)
    of_ads, records = dict(iter(tried.groupby("job_id"))), []
    for ad in ads.itertuples():
        own, starts = of_ads.get(ad.Index, tried[:0]), sentences.find_starts(ad.plain)
        sources, bad = dict(zip(own["position"], own["source"], strict=True)), own[own["reasons"].str.len() > 0]
        refused = [Edit(row.position, row.source, row.completion, dict.fromkeys(row.reasons, []))
                   for row in bad.sort_values("position", kind="stable").itertuples()]  # fmt: skip
        edits = [(starts[place], Edit(place, sources[place], new)) for place, new in chosen.get(ad.Index, {}).items()]
        none_is_better = "no accepted rewrite brings the groups closer" if own["changed"].any() else ""
        note = ad.note or ("" if edits else none_is_better or explain_copy([ad.plain], refused))
        record = make_record(ad.job_id, ad.text, edits, refused, note) | {"measured": True}
        for edit, effect in zip(record["edits"], effects.get(ad.Index, {}).values(), strict=True):
            edit["effect"] = round(effect, 6)
        records.append(record)
    return iter(records), list(_summarize(reward, chosen, sum(len(record["refused"]) for record in records)))


def _summarize(reward: RankingReward, chosen: Chosen, refused: int) -> Iterator[str]:
    judge = reward.measures.judge
    table, kept = compare_rankings(judge, chosen)
    number, changed = len(judge.jobs), sum(map(len, chosen.values()))
    yield f"measured with {len(judge.candidates):,} candidates and all-MiniLM-L6-v2: {number} ads, k = {judge.k}"
    yield f"sentences changed: {changed}, in {len(chosen)} ads; rewrites refused: {refused}"
    after = reward.linear.gap({job: deploy(reward.measures.originals[job], of) for job, of in chosen.items()})
    yield f"gap by the soft selection, 0 at parity: {reward.linear.gap({}):.4f} before, {after:.4f} after"
    others = table[table["group"] != table["reference"]]
    for row in others.itertuples():
        change = bootstrap.Interval(row.after - row.before, row.low, row.high)
        limits = f", change {change}" if number >= FEW_ADS else ""
        yield f"impact ratio, {row.group} to {row.reference}: {row.before:.3f} before, {row.after:.3f} after{limits}"
    yield from long_texts.describe(judge.recommender, judge.candidates["text"], judge.jobs["text"])
    yield f"of the {judge.k} places of an ad the same people keep {kept:.0%}"
    if number < FEW_ADS:
        yield f"note: the ratio of so few ads is coarse, it moves by whole people; give {FEW_ADS} ads or more together"
    elif changed and others["low"].le(0).mul(others["high"].ge(0)).any():
        yield "note: an interval holds 0: that change cannot be told apart from chance"
