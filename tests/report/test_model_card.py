"""The card beside a policy says what it is, from which data, how good and what not for, and its front matter parses."""

import re

import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.generator import pretrained
from autorefine_lib.generator.actor import add_lora
from autorefine_lib.generator.generator import Generator
from autorefine_lib.report import model_card, pages
from autorefine_lib.report.model_card import Card, escape


def results() -> pd.DataFrame:
    shared = dict(data="embedded (synthetic)", split="test", k=20, n=420, seeds="0", command="c", commit="abc")
    shared |= dict(versions="v", device="CPU", seconds=1.0)
    numbers = [
        ("original ads", "female", "impact_ratio", 0.8979, 0.8541, 0.9419),
        ("original ads", "all", "mrr", 0.9970, 0.9931, 1.0),
        ("PPO", "female", "impact_ratio", 1.0029, 0.9551, 1.0501),
        ("PPO", "all", "mrr", 0.9951, 0.9901, 0.9991),
    ]
    table = pd.DataFrame(numbers, columns=["method", "group", "metric", "value", "low", "high"]).assign(**shared)
    return table.reindex(columns=pages.COLUMNS)


def written(folder, card: Card, model=None, rows=None, **settings) -> tuple[dict, str]:
    """Front matter and text of the card of a policy, with its results if there are `rows`."""
    writer = Generator(model or tiny_model("llama"), tiny_tokenizer(), "ad", **settings)
    pretrained.save(writer, folder)
    model_card.write(folder, writer, card)
    if rows is not None:
        model_card.put_results(folder, rows)
    front, text = re.fullmatch(r"---\n(.*?)\n---\n(.*)", (folder / "README.md").read_text("utf-8"), re.DOTALL).groups()
    return yaml.safe_load(front), text


CARD = Card("PPO", "embedded (synthetic)", 3, "autorefine reproduce", {"learning_rate": 2e-4, "lora_targets": "all"})


def test_card_of_a_whole_model(tmp_path):
    front, text = written(tmp_path, CARD, max_new_tokens=9)
    assert front["library_name"] == "transformers" and front["pipeline_tag"] == "text-generation"
    assert front["language"] == "en" and "ppo" in front["tags"] and "base_model" not in front
    total = sum(parameter.numel() for parameter in tiny_model("llama").parameters())
    for words in (
        "**Not for real hiring decisions.**", "embedded (synthetic). **Synthetic:**", "PPO, seed 3, by",
        "by autorefine reproduce.", "learning\\_rate 0.0002, lora\\_targets all.", "torch 2.", "CPU",
        f"A decoder-only language model: {total:,} of its {total:,} weights", "at most 9 tokens",
        "None were measured", "transformers.AutoModelForCausalLM.from_pretrained(FOLDER)", "## Limits",
    ):  # fmt: skip
        assert words in text, words


def test_results_are_a_table_with_intervals(tmp_path):
    _, text = written(tmp_path, Card("PPO", "embedded (synthetic)", 0, "autorefine reproduce"), rows=results())
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert "female impact ratio at 20" in table[0] and "MRR" in table[0]
    assert "original ads" in table[2] and "0.898 [0.854, 0.942]" in table[2] and "0.997 [0.993, 1.000]" in table[2]
    assert "PPO" in table[3] and "1.003 [0.955, 1.050]" in table[3] and "420" in table[3]
    assert len({line.count("|") for line in table}) == 1


def test_results_are_metadata_too(tmp_path):
    rows = results()
    rows.loc[3, ["low", "high"]] = float("nan")
    front, _ = written(tmp_path, Card("PPO", "embedded (synthetic)", 0, "autorefine reproduce"), rows=rows)
    (model,) = front["model-index"]
    assert model["name"] == "job-ad rewriter, PPO, seed 0"
    (measured,) = model["results"]
    assert measured["dataset"] == {"type": "embedded (synthetic)", "name": "embedded (synthetic)", "split": "test"}
    assert measured["metrics"] == [
        {"type": "impact_ratio", "value": 1.0029, "name": "impact ratio, female, 95 % interval 0.955 to 1.050",
         "args": {"k": 20}},
        {"type": "mrr", "value": 0.9951, "name": "mrr, all", "args": {"k": 20}},
    ]  # fmt: skip
    read = ModelCard.load(tmp_path / "README.md").data
    assert [result.metric_value for result in read.eval_results] == [1.0029, 0.9951], "not those of the original ads"


def test_card_of_an_adapter_replaces_pefts_own_and_names_its_base(tmp_path):
    model = add_lora(tiny_model("llama"), 2, 4.0)
    front, text = written(tmp_path, CARD, model, base="some-org/some-model")
    assert front["library_name"] == "peft" and front["base_model"] == "some-org/some-model"
    assert "with a LoRA adapter, trained from some-org/some-model" in text and "More Information Needed" not in text
    assert "pretrained.load(FOLDER)` loads the adapter" in text and "merge_and_unload" in text
    assert "license" not in front and "## License" not in text, "that of another model is not known"


@pytest.mark.parametrize(("base", "rank"), [("smollm2", 0), ("smollm2", 2), ("aligned", 2)])
def test_what_is_made_of_smollm2_names_it_and_its_license(base, rank, tmp_path):
    front, text = written(tmp_path, CARD, add_lora(tiny_model("llama"), rank, 4.0), base=base)
    assert (front["base_model"], front["license"]) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0")
    assert "## License\n\nApache-2.0, as that of HuggingFaceTB/SmolLM2-135M-Instruct" in text
    assert "O\\*NET" in text and "CC BY 4.0" in text, "the embedded ads hold its statements"


def test_a_base_in_a_folder_does_not_tell_where_it_lay(tmp_path):
    model = tiny_model("llama")
    model.config.name_or_path = str(tmp_path)
    front, text = written(tmp_path / "policy", CARD, model)
    assert "base_model" not in front
    assert f"A decoder-only language model, trained from {escape(tmp_path.name)}:" in text
    assert "AutoModelForCausalLM" in text and str(tmp_path) not in text


def test_text_from_data_is_escaped(tmp_path):
    evil = "local: <b>x</b> | [a](http://b) `c`\n# Heading *d*"
    rows = results().assign(data=evil, method=lambda table: table["method"] + " | <i>")
    card = Card("PPO", evil, 0, "autorefine `x`\n# y", {"lora_targets": evil})
    front, text = written(tmp_path, card, rows=rows)
    assert not [line for line in text.splitlines() if line.startswith("# ") and not line.startswith("# Model card")]
    assert "<b>" not in text.replace("\\<b\\>", "") and "[a](" not in text.replace("\\[a\\](", "")
    table = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 4 and len({line.count("|") for line in table}) == 1
    assert "Synthetic:" not in text
    front, _ = written(tmp_path, Card("x: [y] #z\n---", "data", 0, "c"))
    assert front["tags"][-1] == "x:-[y]-#z----"


@pytest.mark.parametrize(
    "raw, plain", [("a_b", "a\\_b"), (" a\n b ", "a b"), ("\\*", "\\\\\\*"), (0.5, "0.5"), ("&lt;", "\\&lt;")]
)
def test_escape(raw, plain):
    assert escape(raw) == plain


def test_it_is_replaced_as_a_whole(tmp_path):
    (tmp_path / "README.md").write_text("old")
    path = model_card.write(tmp_path, Generator(tiny_model("llama"), tiny_tokenizer()), CARD)
    assert path == tmp_path / "README.md" and "old" not in path.read_text().split("\n")
    assert [item.name for item in tmp_path.iterdir()] == ["README.md"]


def test_results_come_into_a_card_later_and_again(tmp_path):
    written(tmp_path, CARD)
    before = (tmp_path / "README.md").read_text("utf-8")
    for rows in (results().assign(value=0.5), results()):
        model_card.put_results(tmp_path, rows)
    later = (tmp_path / "README.md").read_text("utf-8")
    written(tmp_path / "whole", CARD, rows=results())
    assert later == (tmp_path / "whole/README.md").read_text("utf-8") != before


def test_card_of_a_perturbed_model_names_no_way_that_loses_the_perturbation(tmp_path):
    from transformers import LogitsProcessorList

    _, text = written(tmp_path, CARD, logits_processor=LogitsProcessorList())
    assert "none of its" in text and "heads beside it" in text
    assert "autorefine_lib.ilql.ilql.load_policy(FOLDER)" in text and "transformers." not in text.partition("## Use")[2]
