"""reports/ppo.md says what is true: its functions and options exist, and every column of a log is defined in it."""

import pkgutil
import re
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from datasets import Dataset
from peers import ppo_curves
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.ppo import minimal
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.ppo.trainer import PPOTrainer
from autorefine_lib.reward.config import RewardConfig

REPORTS = Path(__file__).parents[2] / "reports"
RIGHT, DETAILS, LOG = (REPORTS / "ppo.md").read_text().split("\n## ")[1:]
OPTIONS = {field.name for field in fields(PPOConfig)}
WEIGHTS = {"reward_weights"} | {field.name for field in fields(RewardConfig)}


def rows(part):
    """The cells of the tables of a part, heads and rules left out."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")
    ]
    return [row for row in cells if row[0] not in ("detail", "column", "value function") and set(row[0]) != {"-"}]


def code(text):
    return re.findall(r"`([^`]+)`", text)


def defined_columns():
    """Regular expressions: `<name>` stands for any name."""
    return {re.sub("<[a-z]+>", "[^/]+", name) for row in rows(LOG) for name in code(row[0])}


def undefined(columns):
    return [name for name in columns if not any(re.fullmatch(pattern, name) for pattern in defined_columns())]


def test_every_option_is_named_and_every_named_option_exists():
    assert {name for row in rows(DETAILS) for name in code(row[2] + row[4])} == OPTIONS
    said = {name for row in rows(LOG) for cell in row[1:] for name in code(cell)}
    assert {name for name in said if re.fullmatch(r"\w+", name)} <= OPTIONS | WEIGHTS


@pytest.mark.parametrize("name", sorted({name for row in rows(DETAILS) for name in code(row[3])}))
def test_named_functions_exist(name):
    assert callable(pkgutil.resolve_name(f"autorefine_lib.{name}"))


def test_every_detail_has_a_source_and_a_place():
    for detail, source, followed, where, _ in rows(DETAILS):
        assert re.search("H22|H23|H24|Z19", source) or detail == "Not in these papers", detail
        assert re.match("yes|no|option|shared", followed) and code(where), detail


def test_every_logged_column_is_defined(tmp_path):
    def long(completions, log_metric):
        return [float(len(text)) for text in completions]

    data = Dataset.from_dict({"prompt": [f"w{i}" for i in range(8)]})
    config = PPOConfig(steps=2, batch_size=4, max_new_tokens=3)
    log = PPOTrainer(tiny_model("gpt2"), tiny_tokenizer(), long, data, config, tmp_path).train()
    assert undefined(log.columns) == []
    named = {name for name in defined_columns() if not name.startswith(("reward/", "seed", "kept"))}
    assert all(any(re.fullmatch(pattern, column) for column in log) for pattern in named)
    assert undefined(["policy/unheard_of"])


def test_columns_of_a_run_of_notebook_04_are_defined():
    recorded = Path(__file__).parents[1] / "fixtures" / "ppo_log.csv"
    assert undefined(pd.read_csv(recorded).columns) == []


def test_every_detail_that_the_one_file_marks_is_on_the_page():
    brackets = " ".join(re.findall(r"\[H2[^]]+\]", Path(minimal.__file__).read_text()))
    marks = re.findall(r"(H2\d) (\w+(?: \d+)?)", brackets)
    sources = [row[1] for row in rows(DETAILS)]
    assert len(marks) >= 10
    for paper, number in marks:
        assert any(re.search(rf"{paper} ([\w ]+, )*{number}\b", source) for source in sources), (paper, number)


def test_the_comparison_with_trl_is_that_of_the_curves():
    assert rows(RIGHT) == ppo_curves.table(pd.read_csv(REPORTS / "ppo" / "curves.csv"))
