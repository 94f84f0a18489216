"""The playground: one ad, its rewrite with the effect of each edit, and the ranking before and after.

Rewrites are sampled once an ad. Another k or weight chooses anew among them: it ranks texts, and samples none. All of
it is drawn as one page of HTML, which `show` puts below a text area, a button and two sliders.
"""

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
from datasets import Dataset
from IPython.display import display
from markupsafe import escape

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import choose
from autorefine_lib.generator.deploy import explain_edit
from autorefine_lib.generator.generator import Generator
from autorefine_lib.metrics import groups
from autorefine_lib.recommender.dense import DenseRecommender
from autorefine_lib.recommender.scores import selection
from autorefine_lib.report.pages import load_template
from autorefine_lib.reward.config import LOSSES, RewardConfig
from autorefine_lib.reward.reward import RankingReward, deploy
from autorefine_lib.text import sentences
from autorefine_lib.text.rewritable import explain_sentences
from autorefine_lib.text.word_diff import Piece, word_diff

_JOB = "ad"  # the job_id of the only ad
_MOST = 50  # of the slider for k
_HEAVIEST = 2.0  # of that for the weight of quality


@dataclass(frozen=True)
class Answer:
    """What one setting of k and weight makes of an ad."""

    text: str
    """The rewritten ad."""
    pieces: list[tuple[int, list[Piece]]]
    """The ad from start to end: the number of the edit (0: as it was), and its words by `word_diff`."""
    edits: pd.DataFrame
    """One row an edit: reason (`explain_edit`) and effect (`choose.Effects`)."""
    options: pd.Series
    """What became of the sampled rewrites: refused, no gain, offered; and the number of edits, used."""
    left: pd.Series
    """How many sentences are left alone, by reason."""
    top: tuple[pd.DataFrame, pd.DataFrame]
    """Before and after: the selected, the best first, with candidate_id, occupation, group, chance and moved (bool)."""
    ratios: pd.DataFrame
    """From `choose.compare_rankings`, with selected_before, selected_after and members of each group."""
    parts: pd.DataFrame
    """The reward of the whole rewrite: part, value, weight and paid, which adds up to the reward."""
    gap: tuple[float, float]
    """Of the ad, before and after (`LinearGap.gap`)."""
    at_parity: bool
    """Whether the ad is so near to parity that the reward pays nothing (`parity_gap.AT_PARITY`)."""
    k: int
    """How many candidates the ad selects."""
    occupation: str | None
    """Whose candidates count as qualified; None where nobody knows."""


class Playground:
    """Samples rewrites of an ad, and chooses among them by what they do to a ranking.

    Args:
        generator: writes the rewrites.
        recommender: fitted to `candidates`.
        candidates: with candidate_id, text and the attribute, and occupation where it is known.
        attribute: column of the candidates that names their groups.
        samples: rewrites of each sentence.
        seed: of sampling.
    """

    def __init__(
        self,
        generator: Generator,
        recommender: DenseRecommender,
        candidates: Dataset,
        attribute: str,
        samples: int = choose.SAMPLES,
        seed: int = 0,
    ) -> None:
        self.generator, self.recommender, self.candidates = generator, recommender, candidates
        self.attribute, self.samples, self.seed = attribute, samples, seed
        self.people = candidates.to_pandas().reindex(columns=["candidate_id", "occupation"])
        divided = groups.of(candidates, attribute)
        self.people["group"] = np.array(divided.names, object)[divided.codes]
        self.occupations = sorted(self.people["occupation"].dropna().unique())
        self.ad = ""
        self._finish = cache(generator.finish)  # no slider moves what a guard says

    def sample(self, ad: str, k: int) -> None:
        """Sample rewrites of an ad, and rank them: the part that takes seconds.

        Raises:
            InputError: the ad is empty, or as `choose.build_judge`.
        """
        if not ad.strip():
            raise InputError("the ad is empty; paste the text of a job advertisement")
        reward = self._build_reward(ad, k, RewardConfig(), None)
        self._tried = choose.sample_rewrites(self.generator, reward, self.samples, seed=self.seed)
        self.ad = ad

    def guess_occupation(self) -> str | None:
        """The occupation whose candidates have the highest mean score for the ad as it was."""
        mean = self.people.assign(score=self.recommender.rank([self.ad])[0]).groupby("occupation")["score"].mean()
        return mean.idxmax() if len(mean) else None

    def answer(self, k: int, w_quality: float, occupation: str | None) -> Answer:
        """Choose among the sampled rewrites, and measure what is chosen.

        A rewrite is on offer where its reward is above 0: what it moves towards parity is more than the quality that it
        loses, times the weight. Of those `choose.choose_rewrites` takes what brings the groups closest to parity, as
        long as the reward of the whole is higher with each edit than without it.

        Args:
            k: how many candidates the ad selects.
            w_quality: the weight of quality against that of parity (`RewardConfig`).
            occupation: of the ad, so that quality can be measured; None leaves it unknown.

        Raises:
            InputError: no ad was sampled, or k or the weight is not allowed.
        """
        if not self.ad:
            raise InputError("no ad was sampled; call sample(ad, k) first")
        reward = self._build_reward(self.ad, k, RewardConfig(w_quality=w_quality), occupation)
        tried = reward.score(*(self._tried[name].tolist() for name in ("completion", "job_id", "position")))
        offered = tried[tried["reward"] > 0]
        edits, effects = _choose(reward, offered)
        numbers = {place: number for number, place in enumerate(sorted(edits), start=1)}
        text, refused = deploy(self.ad, edits), int((tried["reasons"].str.len() > 0).sum())
        whole = sentences.split(self.ad)
        found = [(explain_edit(whole[place], edits[place]), effects[place]) for place in numbers]
        options = {"refused": refused, "no gain": len(tried) - refused - len(offered), "offered": len(offered)}
        scores = self.recommender.rank([self.ad, text])
        chances = selection(scores, k)
        ratios = choose.compare_rankings(reward.measures.judge, {_JOB: edits})[0]
        for name, row in zip(("selected_before", "selected_after", "members"), (*chances, np.ones(len(self.people))),
                             strict=True):  # fmt: skip
            ratios[name] = ratios["group"].map(self.people.assign(chance=row).groupby("group")["chance"].sum())
        left = pd.Series([why for *_, why in explain_sentences(self.ad) if why], dtype=object)
        return Answer(
            text,
            [(numbers.get(n, 0), word_diff(part, edits.get(n, part))) for n, part in enumerate(whole)],
            pd.DataFrame(found, columns=["reason", "effect"]),
            pd.Series(options | {"used": len(edits)}),
            left.value_counts(),
            (self._list_selected(scores[0], *chances), self._list_selected(scores[1], *chances[::-1])),
            ratios,
            _weigh_parts(reward, text),
            (reward.linear.gap({}), reward.linear.gap({_JOB: text})),
            reward.linear.at_parity(_JOB),
            k,
            occupation,
        )

    def _build_reward(self, ad: str, k: int, config: RewardConfig, occupation: str | None) -> RankingReward:
        ads, occupations = {_JOB: ad}, {_JOB: occupation}
        judge = choose.build_judge(self.recommender, ads, self.candidates, self.attribute, k, occupations)
        return RankingReward(judge, self._finish, config)

    def _list_selected(self, scores: np.ndarray, chance: np.ndarray, other: np.ndarray) -> pd.DataFrame:
        best = np.argsort(-scores, kind="stable")
        listed = self.people.assign(chance=chance, moved=np.abs(chance - other) > 1e-9)
        return listed.iloc[best[chance[best] > 0]].reset_index(drop=True)


def _choose(reward: RankingReward, offered: pd.DataFrame) -> tuple[dict[int, str], dict[int, float]]:
    """The chosen edits and their effects, by position. Together edits may lose quality that none loses alone."""
    ad = reward.measures.original(_JOB)
    while True:
        chosen, effects = choose.choose_rewrites(reward, offered)
        edits = chosen.get(_JOB, {})
        drafts = {one: deploy(ad, {place: text for place, text in edits.items() if place != one}) for one in edits}
        paid = {place: _weigh_parts(reward, text)["paid"].sum() for place, text in drafts.items()}
        worst = max(paid, key=paid.__getitem__, default=None)
        if worst is None or paid[worst] < _weigh_parts(reward, deploy(ad, edits))["paid"].sum():
            return edits, effects.get(_JOB, {})
        offered = offered[(offered["position"] != worst) | (offered["text"] != edits[worst])]


def _weigh_parts(reward: RankingReward, text: str) -> pd.DataFrame:
    before, after = reward.measures([reward.measures.original(_JOB), text], [_JOB, _JOB])[:, None]
    signals, config = reward.linear.signals(before, after, [_JOB]).iloc[0], reward.config
    lost = np.nan_to_num(np.maximum(0, before["quality"] - after["quality"]))[0]
    rows = [("parity", signals[config.signal], config.w_parity)]
    rows += [(name, value, -config.w_quality) for name, value in zip(LOSSES, lost, strict=True)]
    table = pd.DataFrame(rows, columns=["part", "value", "weight"])
    return table.assign(paid=table["value"] * table["weight"])


def render_answer(answer: Answer, synthetic: bool) -> str:
    """The page as HTML, for a notebook with or without widgets; every text is escaped."""
    names = sorted({*answer.ratios["group"], *answer.top[0]["group"], *answer.top[1]["group"]})
    return load_template("playground.html.j2").render(answer=answer, names=names, synthetic=synthetic)


def show(playground: Playground, ad: str, k: int, w_quality: float, synthetic: bool) -> widgets.VBox:
    """Display the page of an ad with its controls; without a front end for widgets, the page alone.

    Args:
        playground: of the candidates.
        ad: the ad that is answered at once.
        k, w_quality: where the sliders stand at first.
        synthetic: whether the page says that the candidates are synthetic.

    Raises:
        InputError: as `Playground.sample` and `RewardConfig`. What is typed later is answered by a line in the page.
    """
    RewardConfig(w_quality=w_quality)
    playground.sample(ad, k)
    wide, whole = widgets.Layout(width="auto"), {"description_width": "initial"}
    area = widgets.Textarea(ad, description="Job ad", rows=8, layout=wide, style=whole)
    button = widgets.Button(description="Rewrite", button_style="primary")
    jobs = [("not known", ""), *((name.replace("_", " "), name) for name in playground.occupations)]
    apart = widgets.Layout(margin="2px 2em 2px 2px")
    guess = playground.guess_occupation() or ""
    occupation = widgets.Dropdown(options=jobs, value=guess, description="Qualified are", style=whole, layout=apart)
    most, heaviest = min(max(k, _MOST), len(playground.people) - 1), max(w_quality, _HEAVIEST)
    sliding = {"continuous_update": False, "style": whole, "layout": apart}
    places = widgets.IntSlider(k, 1, most, description="Places k", **sliding)
    weight = widgets.FloatSlider(w_quality, min=0, max=heaviest, step=0.1, description="Weight of quality", **sliding)
    said, page = widgets.HTML(), widgets.HTML(layout=wide)
    controls = (occupation, places, weight)

    def say(text: str) -> None:
        said.value = f'<p role="status">{escape(text)}</p>'

    def answer(change: Any = None) -> None:
        began = time.perf_counter()
        given = playground.answer(places.value, weight.value, occupation.value or None)
        page.value = render_answer(given, synthetic)
        say(f"Answered in {time.perf_counter() - began:.1f} s.")

    def rewrite(pressed: Any) -> None:
        began = time.perf_counter()
        say("Sampling and ranking: about ten seconds for 150 words …")
        try:
            playground.sample(area.value, places.value)
        except InputError as error:
            return say(str(error))
        if (guess := playground.guess_occupation() or "") == occupation.value:
            answer()
        else:
            occupation.value = guess  # which answers
        say(f"Sampled, ranked and chosen in {time.perf_counter() - began:.1f} s.")

    button.on_click(rewrite)
    for control in controls:
        control.observe(answer, "value")
    answer()
    box = widgets.VBox([area, button, widgets.HBox(controls, layout=widgets.Layout(flex_flow="row wrap")), said, page])
    # A reader without widgets gets the page as it is now.
    display(box._repr_mimebundle_() | {"text/html": page.value}, raw=True)
    return box
