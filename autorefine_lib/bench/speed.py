"""Speed on this machine after one untimed round: ranking, embedding, rewriting synthetic ads, PPO steps."""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from autorefine_lib import provenance
from autorefine_lib.data import corpus
from autorefine_lib.data.schema import check_candidates, check_jobs
from autorefine_lib.errors import InputError
from autorefine_lib.recommender.dense import DenseRecommender

WHAT = ("rank", "embed", "rewrite", "ppo")
ADS, CANDIDATES = 64, 500
EMBEDDED_ADS, EMBEDDED_BIOS = 64, 448


def measure(what: str, **ppo: Any) -> dict[str, Any]:
    """Measure one of WHAT; returns the figures with machine, commit and versions.

    `ppo` are the fields of `ppo_speed.Workload` and the options of `ppo_speed.measure`.

    Raises:
        InputError: `what` is none of WHAT.
    """
    if what not in WHAT:
        raise InputError(f"bench '{what}': one of {', '.join(WHAT)}")
    figures = {
        "rank": _rank,
        "embed": _embed,
        "rewrite": _rewrite,
        "ppo": lambda: _ppo(**ppo),
    }[what]()
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


def _embed(rounds: int = 5) -> dict[str, float]:
    """Synthetic ads and biographies, shuffled: `DenseRecommender.embed` beside a plain `encode()` in float32.

    The two take turns, so that what else the machine does meets both; each figure is the median of the rounds.
    """
    from sentence_transformers import SentenceTransformer

    from autorefine_lib.models import minilm

    texts = corpus.make_jobs()["text"].head(EMBEDDED_ADS).tolist()
    texts += corpus.make_candidates()["text"].sample(EMBEDDED_BIOS, random_state=0).tolist()
    random.Random(0).shuffle(texts)
    plain, recommender = SentenceTransformer(str(minilm.folder()), trust_remote_code=False), DenseRecommender()
    plain.encode(texts[:32], show_progress_bar=False)
    recommender.embed(["an untimed round"])
    seconds, vectors = {"plain": [], "ours": []}, {}
    for _ in range(rounds):
        began = time.perf_counter()
        vectors["plain"] = plain.encode(texts, show_progress_bar=False)
        seconds["plain"].append(time.perf_counter() - began)
        recommender.forget()
        began = time.perf_counter()
        vectors["ours"] = recommender.embed(texts)
        seconds["ours"].append(time.perf_counter() - began)
    times = [plain / ours for plain, ours in zip(seconds["plain"], seconds["ours"], strict=True)]
    return {
        "texts": len(texts),
        "texts_per_second": round(len(texts) / statistics.median(seconds["ours"]), 1),
        "plain_texts_per_second": round(len(texts) / statistics.median(seconds["plain"]), 1),
        "times_as_fast": round(statistics.median(times), 2),
        "largest_cosine_distance": float(1 - (vectors["plain"] * vectors["ours"]).sum(1).min()),
    }


def _rewrite() -> dict[str, float]:
    from autorefine_lib.generator import bert2bert, pretrained

    generator = pretrained.load(pretrained.EMBEDDED)
    bert2bert.load_trained(generator.model, *pretrained.shipped_weights())
    sources = generator.episodes([str(number) for number in range(2 * ADS)], _ads())["source"][: 2 * ADS]
    generator.complete(sources[:8], progress=False)
    seconds = _seconds(lambda: generator.complete(sources[8:], temperature=1.0, progress=False))
    return {"sentences_per_second": round(len(sources[8:]) / seconds, 1)}


def _ppo(**options: Any) -> dict[str, Any]:
    from autorefine_lib.bench import ppo_speed

    sizes = {field.name: options.pop(field.name) for field in fields(ppo_speed.Workload) if field.name in options}
    return ppo_speed.measure(ppo_speed.Workload(**sizes), **options)
