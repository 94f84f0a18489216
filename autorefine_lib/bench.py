"""Speed on this machine, measured on the embedded synthetic data after one untimed round."""

import tempfile
import time
from collections.abc import Callable
from typing import Any

from autorefine_lib import corpus, provenance
from autorefine_lib.errors import InputError
from autorefine_lib.recommender import DenseRecommender
from autorefine_lib.schema import check_candidates, check_jobs

WHAT = ("rank", "rewrite", "ppo")
ADS, CANDIDATES, STEPS, BATCH = 64, 500, 3, 32


def measure(what: str) -> dict[str, Any]:
    """Measure ranking, rewriting or PPO; returns the figures with machine, commit and versions.

    Raises:
        InputError: `what` is none of WHAT.
    """
    if what not in WHAT:
        raise InputError(f"bench '{what}': one of {', '.join(WHAT)}")
    figures = {"rank": _rank, "rewrite": _rewrite, "ppo": _ppo}[what]()
    about = {"device": provenance.device(), "commit": provenance.commit(), "versions": provenance.versions_line()}
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


def _ppo() -> dict[str, float]:
    """A reward that costs nothing, so that what is timed is PPO itself."""
    from datasets import Dataset

    from autorefine_lib import pretrained
    from autorefine_lib.ppo import PPOTrainer
    from autorefine_lib.ppo_config import PPOConfig

    def reward(prompts: list[str], completions: list[str], **columns) -> list[float]:
        return [len(completion) / 100 for completion in completions]

    generator = pretrained.load(pretrained.EMBEDDED)
    episodes = Dataset.from_dict(generator.episodes([str(number) for number in range(2 * ADS)], _ads()))
    config = PPOConfig(steps=STEPS + 1, batch_size=BATCH, max_new_tokens=generator.max_new_tokens)
    with tempfile.TemporaryDirectory() as folder:
        laps = [time.perf_counter()]
        PPOTrainer(
            generator.model,
            generator.tokenizer,
            reward,
            episodes,
            config,
            folder,
            vocabulary=generator.vocabulary,
            on_step=lambda row: laps.append(time.perf_counter()),
        ).train(resume=False)
    seconds = (laps[-1] - laps[1]) / STEPS
    return {"seconds_per_step": round(seconds, 2), "responses_per_second": round(BATCH / seconds, 1)}
