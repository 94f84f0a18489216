"""The text of one embedded ad: O*NET task statements as its duties, and sentences of this project for the rest.

Five forms ("listed", "prose", "letter", "notes", "public") say which parts an ad has and in which order. Sentences and
statements of an ad belong to its split, so nothing that a test ad says about employer or work is seen in training.
"""

import random
import re
from collections.abc import Iterator

from autorefine_lib import resources
from autorefine_lib.data import onet
from autorefine_lib.text import articles, wording

DEALT = ("employer", "role", "needs", "quality", "culture", "benefit")
"""Sections whose sentences are dealt to the splits. Headlines, notes, legal and contact lines are the same for all."""


def fill(template: str, facts: dict[str, str], shares: dict[str, float], rng: random.Random) -> str:
    """Fill a template: {fact} from `facts`, <phrase set> by a phrase drawn by `shares`, a~ by the right article."""
    filled = re.sub(r"<(\w+)>", lambda m: _draw_phrase(m[1], shares, rng), template).format_map(facts)
    filled = re.sub(r"\b([Aa])~ (?=(\w+))", lambda m: m[1] + articles.article_for(m[2])[1:] + " ", filled)
    return filled[0].upper() + filled[1:]


def _draw_phrase(name: str, shares: dict[str, float], rng: random.Random) -> str:
    phrase_set = wording.PHRASE_SETS[name]
    coding = rng.choices(list(shares), weights=list(shares.values()))[0]
    phrases = phrase_set.phrases(coding) or phrase_set.neutral
    return rng.choice([p for p in phrases if p not in phrase_set.into_only] or list(phrases))


def sentences_of(section: str, split: str) -> list[str]:
    """The templates of a section that ads of `split` may use."""
    found = resources.load("ad_templates")[section]
    if section not in DEALT:
        return list(found)
    cycle = onet.SPLIT_CYCLE
    return [sentence for i, sentence in enumerate(found) if cycle[i % len(cycle)] == split]


def tasks_of(occupation: dict, split: str) -> list[str]:
    """The O*NET statements of an occupation of the corpus that ads of `split` may use."""
    occupations = resources.load("corpus")["occupations"].values()
    split_of = onet.deal_tasks(tuple(dict.fromkeys(title for content in occupations for title in content["onet"])))
    statements = dict.fromkeys(task for title in occupation["onet"] for task in onet.read_tasks()[title])
    return [task for task in statements if split_of[task] == split]


def draw_facts(occupation: dict, company: str, rng: random.Random) -> dict[str, str]:
    """The facts of one ad: title, place, skills, credential and numbers."""
    pay = 500 * rng.randint(76, 280)
    return {
        "company": company,
        "domain": re.sub(r"\W+", "", company.lower()) + ".example",
        "title": rng.choice(occupation["titles"]),
        "served": occupation["served"],
        "city": rng.choice(resources.load("corpus")["cities"]),
        "credential": rng.choice(occupation["credentials"]),
        **{f"skill{i}": skill for i, skill in enumerate(rng.sample(occupation["skills"], 3), 1)},
        "years": str(rng.randint(2, 9)),
        "size": str(rng.randint(3, 15)),
        "staff": str(rng.randint(12, 480)),
        "clients": f"{rng.randint(2, 90) * 100:,}",
        "founded": str(rng.randint(1948, 2016)),
        "vacation": str(rng.randint(15, 30)),
        "days": str(rng.randint(2, 10)),
        "hours": rng.choice(["20", "32", "37.5", "40"]),
        "month": rng.choice(["January", "March", "May", "September", "November"]),
        "salary": f"{pay:,}",
        "salary_to": f"{pay + 500 * rng.randint(10, 40):,}",
        "bonus": f"{100 * rng.randint(8, 50):,}",
        "hourly": str(round(pay / 2000)),
        "number": str(rng.randint(1000, 9999)),
        "phone": f"({rng.randint(201, 989)}) 555-01{rng.randint(0, 99):02}",
    }


def _in_a_sentence(task: str) -> str:
    """A statement without its period, its first letter small, unless that begins an acronym."""
    task = task.rstrip(".")
    return task if task[:2].isupper() else task[0].lower() + task[1:]


def _in_turn(choices: list[str], rng: random.Random) -> Iterator[str]:
    return iter(rng.sample(choices, len(choices)))


def write_ad(form: str, occupation: dict, facts: dict, shares: dict[str, float], split: str, seed: str) -> str:
    """An ad of 80 to 200 words, paragraphs apart by a blank line.

    Args:
        form: a key of "forms" in `ad_templates.json`. "part?" is there in every second ad, "- part" is a list item.
        occupation: its entry in `corpus.json`.
        facts: of `draw_facts`.
        shares: chance of each coding where a sentence has a place for a phrase set.
        split: "train", "validation" or "test".
        seed: of the choice of sentences.
    """
    rng = random.Random(seed)
    tasks = _in_turn(tasks_of(occupation, split), rng)
    drawn: dict[str, Iterator[str]] = {}

    def write(part: str) -> str | None:
        if part == "task":
            return next(tasks, None)
        choices = drawn.setdefault(part, _in_turn(sentences_of(part, split), rng))
        template = next(choices)
        if "{task}" not in template:
            return fill(template, facts, shares, rng)
        task = next(tasks, None)
        return task and fill(template, facts | {"task": _in_a_sentence(task)}, shares, rng)

    paragraphs = []
    for parts in resources.load("ad_templates")["forms"][form]:
        text = ""
        for part in parts:
            if part.endswith("?") and rng.random() < 0.5:
                continue
            item = part.startswith("- ")
            if written := write(part.strip("-? ")):
                text += ("\n- " if item else " ") + written
        paragraphs.append(text.strip())
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
