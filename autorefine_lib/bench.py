"""Speed on this machine after one untimed round: ranking and rewriting the embedded synthetic ads, and PPO steps."""

import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from autorefine_lib import corpus, provenance
from autorefine_lib.errors import InputError
from autorefine_lib.recommender import DenseRecommender
from autorefine_lib.schema import check_candidates, check_jobs

WHAT = ("rank", "rewrite", "ppo")
ADS, CANDIDATES = 64, 500


def measure(what: str, **ppo: Any) -> dict[str, Any]:
    """Measure ranking, rewriting or PPO; returns the figures with machine, commit and versions.

    `ppo` are the fields of `ppo_bench.Workload` and the options of `ppo_bench.measure`.

    Raises:
        InputError: `what` is none of WHAT.
    """
    if what not in WHAT:
        raise InputError(f"bench '{what}': one of {', '.join(WHAT)}")
    figures = {"rank": _rank, "rewrite": _rewrite, "ppo": lambda: _ppo(**ppo)}[what]()
    about = {"machine": provenance.device(), "commit": provenance.commit(), "versions": provenance.versions_line()}
    return {"what": what, **figures, **about}


def _ads() -> list[str]:
    return check_jobs(corpus.make_jobs().head(2 * ADS), "embedded jobs")["text"]


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _rank() -> dict[str, float]:
    candidates = check_candidates(corpus.make_candidates().head(CANDIDATES), "embedded candidates", ["gender"])
    recommender, ads = DenseRecommender(), _ads()
    recommender.embed(ads[:4])
    fit = _seconds(lambda: recommender.fit(candidates))
    rank = _seconds(lambda: recommender.rank(ads[ADS:]))
    return {"candidates_per_second": round(CANDIDATES / fit, 1), "ads_per_second": round(ADS / rank, 1)}


def _rewrite() -> dict[str, float]:
    from autorefine_lib import bert2bert, pretrained

    generator = pretrained.load(pretrained.EMBEDDED)
    bert2bert.load_trained(generator.model, *pretrained.shipped_weights())
    sources = generator.episodes([str(number) for number in range(2 * ADS)], _ads())["source"][: 2 * ADS]
    generator.complete(sources[:8], progress=False)
    seconds = _seconds(lambda: generator.complete(sources[8:], temperature=1.0, progress=False))
    return {"sentences_per_second": round(len(sources[8:]) / seconds, 1)}


def _ppo(**options: Any) -> dict[str, Any]:
    from autorefine_lib import ppo_bench

    sizes = {field.name: options.pop(field.name) for field in fields(ppo_bench.Workload) if field.name in options}
    return ppo_bench.measure(ppo_bench.Workload(**sizes), **options)
