"""Speed on this machine after an untimed warm-up: ranking, rewriting synthetic ads, PPO steps."""

import time
from collections.abc import Callable
from typing import Any

from datasets import Dataset

from autorefine_lib import provenance
from autorefine_lib.data import corpus
from autorefine_lib.errors import InputError
from autorefine_lib.recommender.dense import DenseRecommender

WHAT = ("rank", "rewrite", "ppo")
ADS, CANDIDATES = 64, 500


def measure(what: str, bf16: bool = False) -> dict[str, Any]:
    """Measure one of WHAT; returns the figures with machine, commit and versions.

    Args:
        what: "rank" (candidates and ads a second), "rewrite" (sentences a second), "ppo" (`ppo_speed.measure_ppo`).
        bf16: whether "ppo" trains in bfloat16.

    Raises:
        InputError: `what` is none of WHAT.
    """
    if what not in WHAT:
        raise InputError(f"bench '{what}': one of {', '.join(WHAT)}")
    if what == "ppo":
        from autorefine_lib.bench import ppo_speed

        figures = ppo_speed.measure_ppo(ppo_speed.Workload(bf16=bf16))
    else:
        figures = {"rank": _measure_ranking, "rewrite": _measure_rewriting}[what]()
    about = {"machine": provenance.device(), "commit": provenance.commit(), "versions": provenance.versions_line()}
    return {"what": what, **figures, **about}


def _per_second(things: int, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return round(things / (time.perf_counter() - began), 1)


def _make_texts() -> tuple[list[str], list[str]]:
    """Ads, half of them to warm up with, and biographies."""
    return corpus.make_jobs()["text"][: 2 * ADS].tolist(), corpus.make_candidates()["text"][:CANDIDATES].tolist()


def _measure_ranking() -> dict[str, float]:
    ads, people = _make_texts()
    recommender, candidates = DenseRecommender(), Dataset.from_dict({"text": people})
    recommender.embed(ads[:ADS])
    return {
        "candidates_per_second": _per_second(len(people), lambda: recommender.fit(candidates)),
        "ads_per_second": _per_second(ADS, lambda: recommender.rank(ads[ADS:])),
    }


def _measure_rewriting() -> dict[str, float]:
    from autorefine_lib.generator import pretrained

    generator = pretrained.load(pretrained.EMBEDDED)
    ads, _ = _make_texts()
    sources = generator.episodes([str(number) for number in range(len(ads))], ads)["source"][: len(ads)]
    generator.complete(sources[:8], progress=False)
    timed = sources[8:]
    return {
        "sentences_per_second": _per_second(
            len(timed), lambda: generator.complete(timed, temperature=1.0, progress=False)
        )
    }
