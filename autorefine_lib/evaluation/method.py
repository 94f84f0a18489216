"""A method's ads and all numbers of them, job by job, kept on disk: tables and intervals are made from these files."""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_atomic, write_csv, write_json
from autorefine_lib.metrics import bootstrap, ranking
from autorefine_lib.reward.judge import Judge

QUALITY = ("mrr", "ndcg", "similarity", "overlap", "ndcg_to_original")
RATES = {"impact_ratio_between": ranking.BETWEEN, "impact_ratio_within": ranking.WITHIN}
BY_AD = {"impact_ratio_by_ad": ranking.impact_ratio_by_ad, "q_by_ad": ranking.q_by_ad}
"""The authors' own measures, ad by ad."""
POOLS = dict.fromkeys(("impact_ratio", *RATES), "whole") | {"impact_ratio_qualified": "qualified"}
POOLS |= dict.fromkeys(BY_AD, "nearest")
"""The pool of each measure of groups in `per_job_numbers` (`ranking`)."""
ORIGINAL = "original ads"
PLACEBOS = ("word swap", "random paraphrase", "keyword stuffing")
UNTRAINED = (ORIGINAL, *PLACEBOS, "feminine word list")
"""The methods of notebook 02."""
ORDER = (
    *UNTRAINED, "zero-shot", "inclusive prompt", "whole ad", "aligned, no RL", "greedy search", "best of",
    "reward-weighted", "DPO", "ILQL", "RLOO", "GRPO", "PPO",
)  # fmt: skip
"""Starts of the methods' names, from the simplest to the one that the goals are set for."""


@dataclass(frozen=True)
class Method:
    """What a method did to the test ads in one run of it, job by job."""

    name: str
    """As it stands in the tables, for instance "word swap"."""
    seed: int
    """Of the method's own randomness."""
    seconds: float
    """To make the rewrites, training included."""
    reward_calls: int
    """Rewrites that the reward scored on the way; 0 for methods that never look at the ranking."""
    texts: list[str]
    """The ads as they would be deployed."""
    groups: pd.DataFrame
    """From `ranking.per_job`."""
    quality: pd.DataFrame
    """From `Judge.measure`."""
    selected: pd.DataFrame
    """From `top_k.find_selected`."""
    training_precision: str = ""
    """What its training computed in, "float32" or "bfloat16"; empty for a method that trains nothing."""


Methods = Mapping[str, Sequence[Method]]
"""The runs of each method by its name, one per seed; where methods are compared, the original ads come first."""
FACTS = ("name", "seed", "seconds", "reward_calls", "training_precision")
TABLES = ("groups", "quality", "selected")
"""The parts of a method that hold ids and numbers and no text."""


def save_method(run_dir: Path | str, method: Method) -> Path:
    """Write one method under `<run>/artefacts/methods/`: texts in `ads.parquet`, and in no other file of it."""
    folder = _folder(run_dir, method.name, method.seed)
    ads = pd.DataFrame({"job_id": method.quality["job_id"], "text": method.texts})
    for name, table in {"ads": ads, **{name: getattr(method, name) for name in TABLES}}.items():
        write_atomic(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
    write_json(folder / "method.json", {name: getattr(method, name) for name in FACTS})
    return folder


def load_method(run_dir: Path | str, name: str, seed: int = 0) -> Method:
    """What `save_method` wrote."""
    folder = _folder(run_dir, name, seed)
    ads, *tables = (pd.read_parquet(folder / f"{part}.parquet") for part in ("ads", *TABLES))
    facts = json.loads((folder / "method.json").read_text("utf-8"))
    return Method(**facts, texts=list(ads["text"]), **dict(zip(TABLES, tables, strict=True)))


def saved_methods(run_dir: Path | str) -> dict[str, list[int]]:
    """The methods that were saved in a run, and the seeds of each in order."""
    found: dict[str, list[int]] = {}
    for path in (Path(run_dir) / "artefacts" / "methods").glob("*/*/method.json"):
        facts = json.loads(path.read_text("utf-8"))
        found.setdefault(facts["name"], []).append(facts["seed"])
    return {name: sorted(found[name]) for name in sorted(found)}


def clear_methods(run_dir: Path | str, *names: str) -> None:
    """Remove what earlier runs of these methods saved, so that no seed of theirs stays beside the new ones."""
    for name in names:
        shutil.rmtree(_folder(run_dir, name, 0).parent, ignore_errors=True)


def measure_method(
    run_dir: Path | str,
    judge: Judge,
    name: str,
    rewrite: Callable[[list[str]], list[str]],
    seed: int = 0,
    seconds: float = 0.0,
    reward_calls: int = 0,
    bf16: bool | None = None,
) -> Method:
    """Time `rewrite(ads) -> texts`, measure what it made of the judge's ads, and save it.

    `seconds` and `reward_calls` are what was spent before, in training. `bf16` says whether that training computed in
    bfloat16 or in float32; None for a method that trains nothing.
    """
    began = time.perf_counter()
    texts = rewrite(list(judge.jobs["text"]))
    seconds += time.perf_counter() - began
    judge.recommender.keep_queries(texts)  # Later notebooks rank for them again.
    precision = "" if bf16 is None else "bfloat16" if bf16 else "float32"
    method = Method(name, seed, seconds, reward_calls, texts, *judge.measure(texts), precision)
    save_method(run_dir, method)
    return method


def find_place(method: str) -> tuple[int, int, str]:
    """Where a method stands in the tables, as a key to sort by: after `ORDER`, what it does not name last."""
    return next((n for n, start in enumerate(ORDER) if method.startswith(start)), len(ORDER)), len(method), method


def read_methods(run_dir: Path | str) -> dict[str, list[Method]]:
    """Every method that a run saved, each with all its seeds, in the order of the tables.

    Raises:
        InputError: the original ads are not among them, or a method was measured on other ads.
    """
    found = saved_methods(run_dir)
    names = sorted(found, key=find_place)
    return _check_ads({name: [load_method(run_dir, name, seed) for seed in found[name]] for name in names}, run_dir)


def _check_ads(methods: dict[str, list[Method]], run_dir: Path | str) -> dict[str, list[Method]]:
    """`methods` as they are; InputError as `read_methods`."""
    if ORIGINAL not in methods:
        raise InputError(f"{run_dir}: the {ORIGINAL} were not measured; run notebook 02_baseline first")
    jobs = list(methods[ORIGINAL][0].quality["job_id"])
    for name, runs in methods.items():
        if any(list(part["job_id"].unique()) != jobs for run in runs for part in (run.quality, run.groups)):
            raise InputError(f"{name!r} was measured on other ads than {ORIGINAL!r}; repeat the notebook that makes it")
    return methods


def write_per_ad(run_dir: Path | str, methods: Methods) -> list[Path]:
    """Write what all tables are made of, ids and numbers without a text, to `<run>/per_ad/`; returns the files.

    One Parquet file for each of `TABLES`, with the columns method and seed, and `methods.csv` with `FACTS`.
    """
    runs, folder = [run for of_method in methods.values() for run in of_method], Path(run_dir) / "per_ad"
    facts = pd.DataFrame([{name: getattr(run, name) for name in FACTS} for run in runs])
    written = [write_csv(folder / "methods.csv", facts)]
    for name in TABLES:
        table = pd.concat([getattr(run, name).assign(method=run.name, seed=run.seed) for run in runs])
        # Six digits of every number are kept, in half the bytes.
        table = table.astype(dict.fromkeys(table.select_dtypes("float64"), "float32"))
        write = partial(table.to_parquet, index=False, compression="zstd")
        written.append(write_atomic(folder / f"{name}.parquet", write))
    return written


def read_per_ad(run_dir: Path | str) -> dict[str, list[Method]]:
    """What `write_per_ad` wrote, as from `read_methods` but without texts: enough to make the result rows again.

    Raises:
        InputError: as `read_methods`.
    """
    folder = Path(run_dir) / "per_ad"
    keys = ["method", "seed"]
    tables = {name: dict(iter(pd.read_parquet(folder / f"{name}.parquet").groupby(keys))) for name in TABLES}
    methods: dict[str, list[Method]] = {}
    for facts in pd.read_csv(folder / "methods.csv", keep_default_na=False).to_dict("records"):
        own = {name: runs[facts["name"], facts["seed"]].drop(columns=keys) for name, runs in tables.items()}
        own = {name: table.reset_index(drop=True) for name, table in own.items()}
        # What an earlier version wrote may hold more.
        known = {name: facts[name] for name in FACTS}
        methods.setdefault(facts["name"], []).append(Method(**known, texts=[], **own))
    return _check_ads(methods, run_dir)


def per_job_numbers(runs: Sequence[Method], group: str, reference: str) -> dict[str, np.ndarray]:
    """Per-job numbers of one method, averaged over its seeds, for `bootstrap.interval`.

    impact_ratio, its factors impact_ratio_between and impact_ratio_within, and impact_ratio_qualified are counts
    [jobs, 4]; the others are one number a job. A number that some jobs do not have is left out for them, and altogether
    where no job has it.
    """
    numbers = {}
    for name, pool in POOLS.items():
        if (runs[0].groups["pool"] == pool).any():
            rate = RATES.get(name, ranking.SELECTION)
            counts = [ranking.rate_counts(run.groups, group, reference, pool=pool, rate=rate) for run in runs]
            numbers[name] = np.mean([BY_AD[name](of_run) for of_run in counts] if name in BY_AD else counts, axis=0)
    quality = {name: np.mean([run.quality[name] for run in runs], axis=0) for name in QUALITY}
    numbers |= {name: values[~np.isnan(values)] for name, values in quality.items() if not np.isnan(values).all()}
    numbers["ads_changed"] = np.mean([run.quality["changed"] for run in runs], axis=0)
    numbers["ads_naming_protected"] = np.mean([run.quality["protected"] > 0 for run in runs], axis=0)
    return numbers


def nearness(methods: Methods, group: str, reference: str, seed: int = 0) -> dict[str, np.ndarray]:
    """-|1 - impact ratio| of each method, the mean over its seeds: as measured, and in each resample of the jobs."""
    counts = [ranking.rate_counts(run.groups, group, reference) for runs in methods.values() for run in runs]
    distances = iter(np.abs(1 - bootstrap.resample(*counts, seed=seed)))
    return {name: -np.mean([next(distances) for _ in runs], axis=0) for name, runs in methods.items()}


def _folder(run_dir: Path | str, name: str, seed: int) -> Path:
    return Path(run_dir) / "artefacts" / "methods" / name.replace(" ", "_") / f"seed-{seed}"
