"""The playground: what is chosen and shown is what was measured, a slider samples nothing, and texts are escaped."""

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from datasets import Dataset
from markupsafe import escape
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.data import corpus
from autorefine_lib.errors import InputError
from autorefine_lib.generator import pretrained
from autorefine_lib.generator.generator import Generator
from autorefine_lib.report import playground
from autorefine_lib.reproduce import NOTEBOOKS

FIRST, SECOND = "You will cook bold meals for the guests.", "We are looking for a driven cook for our team."
AD = f"<b>Kitchen</b>\n{FIRST} {SECOND}"
# Men stand higher, and so do cooks, most of whom are men: what lifts the women brings in people who are not qualified.
PEOPLE = Dataset.from_dict(
    {
        "candidate_id": [f"<p{number}>" for number in range(40)],
        "text": ["a biography"] * 40,
        "gender": (["male"] * 14 + ["female"] * 6) + (["male"] * 6 + ["female"] * 14),
        "occupation": ["cook"] * 20 + ["head_waiter"] * 20,
    }
)
FEMALE = np.array(PEOPLE["gender"]) == "female"
STANDING = np.random.default_rng(1).normal(0, 0.7, size=40) + 0.5 * ~FEMALE + 0.6 * (np.arange(40) < 20)
LIFT = {"committed": 0.4, "motivated": -0.4, "daring": 0.2}


def rank(ads: list[str]) -> np.ndarray:
    return STANDING + np.outer([sum(ad.count(word) * by for word, by in LIFT.items()) for ad in ads], FEMALE)


class Writer(Generator):
    """Puts the next of a list of words in the place of a word, and counts how often it is asked."""

    words = {"driven": ["motivated", "committed"], "bold": ["daring"]}
    calls = 0

    def complete(self, sources, temperature=0.0, seed=0, progress=True):
        self.calls += 1
        turns, answers = {word: itertools.cycle(new) for word, new in self.words.items()}, []
        for source in sources:
            word = next((word for word in turns if word in source), None)
            answers.append(source.replace(word, next(turns[word])) if word else source)
        return answers


@pytest.fixture
def desk() -> playground.Playground:
    recommender = SimpleNamespace(rank=rank, embed=lambda ads: np.ones((len(ads), 1)))
    made = playground.Playground(Writer(tiny_model("llama"), tiny_tokenizer()), recommender, PEOPLE, "gender", 2)
    made.sample(AD, 8)
    return made


def test_what_is_shown_is_what_was_measured(desk):
    answer = desk.answer(8, 0.0, "cook")
    assert answer.text == AD.replace("driven", "committed").replace("bold", "daring")
    assert "".join(new for _, pieces in answer.pieces for _, new in pieces) == answer.text
    assert {number: "".join(old for old, _ in pieces) for number, pieces in answer.pieces if number} == {
        1: FIRST,
        2: SECOND,
    }
    assert answer.options.to_dict() == {"refused": 0, "no gain": 1, "offered": 2, "used": 2}
    assert answer.left.sum() == 1, "the heading"
    assert answer.edits["reason"][1].endswith("'driven' -> 'committed'") and (answer.edits["effect"] > 0).all()
    assert answer.gap[1] < answer.gap[0] and not answer.at_parity
    women = []
    for table, text in zip(answer.top, (AD, answer.text), strict=True):
        best = np.argsort(-rank([text])[0])[:8]
        assert table["candidate_id"].tolist() == [PEOPLE["candidate_id"][person] for person in best]
        assert table["group"].tolist() == np.where(FEMALE[best], "female", "male").tolist()
        women.append(int(FEMALE[best].sum()))
    before, after = (set(table["candidate_id"]) for table in answer.top)
    assert set(answer.top[0].query("moved")["candidate_id"]) == before - after and before - after
    assert set(answer.top[1].query("moved")["candidate_id"]) == after - before
    ratios = answer.ratios.set_index("group")
    assert ratios.loc["female", ["selected_before", "selected_after", "members"]].tolist() == [*women, 20]
    assert ratios.loc["female", ["before", "after"]].tolist() == pytest.approx([of / (8 - of) for of in women])
    parts = answer.parts.set_index("part")
    assert parts.loc["parity", "paid"] == parts.loc["parity", "value"] > 0
    assert parts.loc["ndcg_loss", "value"] > 0 == parts.loc["ndcg_loss", "paid"]


def test_a_weight_of_quality_takes_edits_back_and_no_slider_samples(desk):
    used = [desk.answer(8, weight, "cook") for weight in (0.0, 0.5, 2.0, 50.0)]
    assert [len(answer.edits) for answer in used] == [2, 2, 1, 0]
    for answer, weight in zip(used, (0.0, 0.5, 2.0, 50.0), strict=True):
        lost = answer.parts["value"][1:].sum()
        assert answer.parts["paid"].sum() == pytest.approx(answer.parts["value"][0] - weight * lost)
        assert answer.parts["paid"].sum() > 0 or not len(answer.edits)
    assert len(desk.answer(8, 50.0, None).edits) == 2, "quality that nobody can measure costs nothing"
    assert len(desk.answer(5, 0.0, "cook").top[0]) == 5
    assert desk.generator.calls == 1


def test_a_tie_shares_a_place():
    recommender = SimpleNamespace(rank=lambda ads: np.ones((len(ads), 40)), embed=lambda ads: np.ones((len(ads), 1)))
    people = PEOPLE.remove_columns("occupation")
    desk = playground.Playground(Writer(tiny_model("llama"), tiny_tokenizer()), recommender, people, "gender")
    desk.sample(AD, 8)
    answer = desk.answer(8, 0.2, desk.guess_occupation())
    assert answer.occupation is None and desk.occupations == [] and answer.at_parity and answer.text == AD
    assert len(answer.top[0]) == 40 and answer.top[0]["chance"].tolist() == pytest.approx([0.2] * 40)
    page = playground.render_answer(answer, False)
    assert "0.20 of a place" in page and "within 5 % of parity" in page and "Nobody enters" in page


def test_the_page_is_escaped_and_says_synthetic(desk):
    answer = desk.answer(8, 0.0, "cook")
    page = playground.render_answer(answer, True)
    assert "<b>Kitchen" not in page and escape("<b>Kitchen</b>") in page and "<p1>" not in page
    assert "<del>driven</del> <ins>committed</ins>" in page and "Synthetic candidates" in page
    assert page.count("▼ leaves") == page.count("▲ enters") == 1 + answer.top[0]["moved"].sum()
    assert "head waiter" in page and "nan" not in page and "−0.000" not in page
    table = answer.top[0].assign(group='<img src=x onerror="1">')
    page = playground.render_answer(replace(answer, top=(table, table)), False)
    assert "<img" not in page and "Synthetic" not in page


def test_guess_and_errors(desk):
    assert desk.guess_occupation() == "cook"
    for call, message in (
        (lambda: desk.sample(" ", 8), "the ad is empty"),
        (lambda: desk.answer(40, 0.2, None), "k=40 selects every candidate"),
        (lambda: desk.answer(8, -1, None), "w_quality=-1 is negative"),
        (lambda: replace_ad(desk).answer(8, 0.2, None), "no ad was sampled"),
    ):
        with pytest.raises(InputError, match=message):
            call()


def replace_ad(desk: playground.Playground) -> playground.Playground:
    desk.ad = ""
    return desk


def test_the_controls(desk, monkeypatch):
    shown = []
    monkeypatch.setattr(playground, "display", lambda bundle, raw: shown.append(bundle))
    box = playground.show(desk, AD, 8, 0.0, True)
    area, button, controls, said, page = box.children
    occupation, places, weight = controls.children
    assert shown[0]["text/html"] == page.value and "application/vnd.jupyter.widget-view+json" in shown[0]
    assert occupation.value == "cook" and "committed" in page.value and places.max == 39
    calls = desk.generator.calls
    weight.value = 2.0
    first = page.value
    places.value = 5
    assert "The 5 selected" in page.value and "The 8 selected" in first and desk.generator.calls == calls
    area.value = "We are looking for a driven person & more."
    button.click()
    assert desk.generator.calls == calls + 1 and "person &amp; more" in page.value and "in " in said.value
    area.value = ""
    button.click()
    assert "the ad is empty" in said.value and "person &amp; more" in page.value
    for k, weight, message in ((40, 0.2, "k=40 selects every"), (8, -1, "w_quality=-1 is negative")):
        with pytest.raises(InputError, match=message):
            playground.show(desk, AD, k, weight, True)


def run_notebook(given: dict) -> dict:
    """Run the code cells in this process, with these values in the place of the parameters; the names they leave."""
    names: dict = {}
    cells = nbformat.read(NOTEBOOKS / "playground.ipynb", as_version=4).cells
    for number, cell in enumerate(cell for cell in cells if cell.cell_type == "code"):
        exec(compile(cell.source, cell.id, "exec"), names)
        names.update(given if number == 0 else {})
    return names


def test_the_notebook_with_a_file_of_candidates(tmp_path: Path, monkeypatch, capsys):
    writer = Generator(tiny_model("llama"), tiny_tokenizer(), max_new_tokens=4)
    writer.model.config.max_position_embeddings = 1024
    monkeypatch.setattr(pretrained, "load", lambda name: writer)
    people = corpus.make_candidates(corpus.CorpusConfig(candidates_per_occupation=3)).drop(columns="occupation")
    people = people.rename(columns={"candidate_id": "Person"}).replace({"gender": {"female": "F", "male": "M"}})
    people.to_csv(tmp_path / "people.csv", index=False)
    given = {"run_dir": str(tmp_path), "candidates_file": str(tmp_path / "people.csv"), "k": 5}
    names = run_notebook(given | {"rename_columns": ["candidate_id=Person"], "rename_values": ["gender:F=female"]})
    said = capsys.readouterr().out
    assert "11 of 16 sentences" in said and "female" in said and "M " in said
    assert "Synthetic" not in names["page"].children[-1].value and "The 5 selected" in names["page"].children[-1].value
    with pytest.raises(InputError, match="no column 'candidate_id'"):
        run_notebook(given)
    with pytest.raises(InputError, match="no such file"):
        run_notebook(given | {"candidates_file": "no.csv"})
