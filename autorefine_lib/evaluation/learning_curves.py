"""How well a method rewrites ads that it never trains on, against the reward calls it has spent so far.

Every method is measured in the same way on the same ads, whatever its own training log holds: an offline method has no
batches to speak of, and the batches of a group method hold several rewrites of few texts.

Early stopping (`BestPolicy`): of all policies that a training passes through, keep the best on held-out ads.

What is trained is a policy that samples, by a soft gap and sentence by sentence; what is deployed takes the likeliest
rewrite of all sentences at once. A training that goes on until the sampled rewrites reach parity may end beyond it, and
what closes the gap of one setting may open that of another. Held-out ads, rewritten as they would be deployed, tell
where to stop (Prechelt, 1998, "Early stopping - but when?"): where their settings are closest to parity, from either
side (`LearningCurve.add`).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_atomic, write_csv
from autorefine_lib.reward.ad_measures import AdMeasures
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.linear_gap import LinearGap

KEY = ["method", "seed", "reward_calls"]
COLUMNS = [*KEY, "reward", "group", "selection_rate"]

Rewrite = Callable[[list[str]], list[str]]
"""Ads to the ads as they would be deployed, the same function that `measure_method` takes."""


@dataclass
class LearningCurve:
    """Adds points to the table at `path`, one row a point and group of candidates, columns `COLUMNS`.

    `reward` is by how much the ads together close the soft gap that the reward linearises (`LinearGap.gap`);
    `selection_rate` is that of a group, pooled over the ads, whose ratio is the impact ratio.
    """

    judge: Judge
    """With jobs that are neither trained on nor tested, from `data_prep.hold_out`."""
    reward_config: RewardConfig
    """Says how the gap is taken."""
    path: Path
    """A CSV file that several notebooks add to."""
    every: int = 640
    """Reward calls between two points of a curve."""
    ads: int = 168
    """Most ads that are rewritten for a point: with 48 the ratio was 0.10 from that of all of them, for how strongly an
    ad's wording counts differs so much."""
    seconds: float = 0.0
    """Spent so far on the points of `follow`."""

    def __post_init__(self) -> None:
        self.judge = self.judge.evenly(self.ads)
        measures = AdMeasures(self.judge, self.reward_config.smoothing)
        self._linear = LinearGap(measures, self.judge.recommender.embed)

    def add(self, method: str, seed: int, reward_calls: int, rewrite: Rewrite) -> float:
        """Measure what `rewrite` makes of the ads now; replaces an earlier point of the same three names.

        Returns how close every setting of the ads is to parity, from both sides (`LinearGap.closeness`), at most 1: it
        is made of the hard selection, which is what is reported, and so early stopping goes by it. The soft gap is
        smoother, but still falls when the impact ratio has passed 1.
        """
        texts = rewrite(list(self.judge.jobs["text"]))
        groups, *_ = self.judge.measure(texts)
        sums = groups[groups["pool"] == "whole"].groupby("group")[["selected", "available"]].sum()
        rates = sums["selected"] / sums["available"]
        point = {"method": method, "seed": seed, "reward_calls": reward_calls}
        ads = dict(zip(self.judge.jobs["job_id"], texts, strict=True))
        point["reward"] = self._linear.gap({}) - self._linear.gap(ads)
        rows = pd.DataFrame({"group": rates.index, "selection_rate": rates.to_numpy()}).assign(**point)
        known = self._table()
        same = (known[KEY] == pd.Series(point)[KEY]).all(axis=1)
        write_csv(self.path, pd.concat([known[~same], rows[COLUMNS]], ignore_index=True))
        return self._linear.closeness(ads)

    def follow(
        self, method: str, seed: int, batch_size: int, rewrite: Rewrite, keep: Callable[[float, int], object]
    ) -> Callable[[dict[str, float]], None]:
        """The `on_step` of a trainer that calls the reward `batch_size` times a step: a point after every `every`.

        `keep(closeness, step)` is called with each point, as for early stopping. What the points cost adds up in
        `seconds`.
        """

        def on_step(row: dict[str, float]) -> None:
            calls = int(row["step"]) * batch_size
            if calls // self.every > (calls - batch_size) // self.every:
                began = time.perf_counter()
                keep(self.add(method, seed, calls, rewrite), int(row["step"]))
                self.seconds += time.perf_counter() - began

        return on_step

    def count_calls(self, method: str, seed: int) -> int:
        """The reward calls that the points of a training cost: one for each ad of each point."""
        known = self._table()
        points = known.loc[(known["method"] == method) & (known["seed"] == seed), "reward_calls"].nunique()
        return points * len(self.judge.jobs)

    def clear(self, *methods: str) -> None:
        """Drop the points that an earlier run of these methods left."""
        known = self._table()
        write_csv(self.path, known[~known["method"].isin(methods)])

    def _table(self) -> pd.DataFrame:
        return pd.read_csv(self.path) if self.path.is_file() else pd.DataFrame(columns=COLUMNS)


def read(path: Path, group: str, reference: str) -> pd.DataFrame:
    """One row a point: method, seed, reward_calls, reward and impact_ratio of `group` to `reference`."""
    table = pd.read_csv(path)
    rates = table.pivot(index=[*KEY, "reward"], columns="group", values="selection_rate")
    return (rates[group] / rates[reference]).rename("impact_ratio").reset_index().sort_values(KEY, ignore_index=True)


class BestPolicy:
    """Keeps the trainable weights of the best policy so far in a file, so that an interrupted training finds them.

    Args:
        path: a safetensors file; what an earlier part of the same training left there counts.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.score, self.step = -math.inf, 0  # of the policy that is kept; none is yet
        if self.path.is_file():
            with safe_open(self.path, framework="pt") as kept:
                self.score, self.step = float(kept.metadata()["score"]), int(kept.metadata()["step"])

    def offer(self, model: nn.Module, score: float, step: int) -> bool:
        """Keep the trainable weights of `model` if `score` is higher than all before; returns whether it is.

        Raises:
            InputError: `score` is not a number.
        """
        if math.isnan(score):
            raise InputError(f"the score of step {step} is NaN; give held-out ads whose parity can be told")
        if score <= self.score:
            return False
        weights = {name: weight.detach().cpu().contiguous() for name, weight in _trainable(model).items()}
        facts = {"format": "pt", "score": repr(float(score)), "step": str(step)}
        write_atomic(self.path, lambda place: save_file(weights, place, metadata=facts))
        self.score, self.step = float(score), step
        return True

    @torch.no_grad()
    def restore(self, model: nn.Module) -> int:
        """Give `model`, the one that was trained, the weights that are kept; returns their step.

        Raises:
            InputError: nothing is kept.
        """
        if not self.path.is_file():
            raise InputError(f"{self.path}: no policy was kept; look at held-out ads at least once while training")
        with safe_open(self.path, framework="pt") as kept:
            for name, weight in _trainable(model).items():
                weight.copy_(kept.get_tensor(name))
        return self.step


def _trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
