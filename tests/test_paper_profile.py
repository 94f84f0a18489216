"""The paper profile's code path, on tiny checkpoints of the same classes and tiny files in the Hub data sets' formats.

Its numbers mean nothing: what is tested is that Hub data and a chat model with LoRA go through all notebooks. No guard
accepts what a random model writes, so what learns from accepted rewrites (the warm start, DPO) is left out;
`tests/others` has it.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from autorefine_lib.data import corpus
from autorefine_lib.evaluation.method import PLACEBOS
from autorefine_lib.report import pages
from autorefine_lib.reproduce import NOTEBOOKS

PATHS = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
CHAT = (
    "{% for m in messages %}<user>{{ m['content'] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def tiny_checkpoint(texts: list[str], folder: Path) -> Path:
    """A random Qwen2 with a chat template and a byte-level tokenizer trained on `texts`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<end>", "<user>", "<assistant>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")
    fast.chat_template = CHAT
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"vocab_size": len(fast), "pad_token_id": 0, "eos_token_id": 1}
    model = Qwen2ForCausalLM(Qwen2Config(**ids, **size, num_key_value_heads=2, max_position_embeddings=1024))
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Path:
    """Tiny files in the formats of Bias in Bios and the Hacker News posts; the texts are synthetic."""
    folder = tmp_path_factory.mktemp("hub")
    bios, posts = folder / "bias_in_bios/data", folder / "hacker-news-who-is-hiring-posts/data"
    bios.mkdir(parents=True), posts.mkdir(parents=True)
    people = corpus.make_candidates(corpus.CorpusConfig(candidates_per_occupation=12))
    people = people[people["occupation"].isin(["accountant", "physician", "teacher"])]
    profession = people["occupation"].map(sorted(corpus.occupations()).index)
    labels = {"profession": profession, "gender": (people["gender"] == "female").astype(int)}
    pd.DataFrame({"hard_text": people["text"], **labels}).to_parquet(bios / "train-00000-of-00001.parquet")
    ads = corpus.make_jobs().query("occupation in ['accountant', 'physician', 'teacher']").head(90)
    texts = [f"{ad.company} | {ad.title} | Rome<p>{ad.text}" for ad in ads.itertuples()]
    comments = [{"by": "x", "id": number, "text": text} for number, text in enumerate(texts)]
    pd.DataFrame({"comments": [comments]}).to_parquet(posts / "train-00000-of-00001.parquet")
    return folder


def digest() -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in PATHS}


@pytest.mark.end_to_end
def test_paper_profile_end_to_end(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    model = tiny_checkpoint(list(corpus.make_jobs()["text"].head(20)), tmp_path / "model")
    small = {
        "hub_dir": str(hub), "generator": str(model), "min_group": 2, "k": 2, "sentences_shown": 4, "unaligned": [],
        "limits": {"jobs_per_occupation": 6}, "max_new_tokens": 12, "seeds": [0], "steps": 2, "batch_size": 4,
        "generations": 2, "samples": 2, "updates": 5, "betas": [8.0], "held_out_ads": 6,
        "best_of": 2, "optimisers": {"RLOO": 1e-5, "GRPO": 1e-5}, "lora_rank": 2, "bf16": False,
        "warm_start": False,
    }  # fmt: skip
    words = [sys.executable, "-m", "autorefine_lib.cli", "reproduce", "--profile", "paper"]
    words += ["--out", str(tmp_path / "run")]
    for name, value in small.items():
        words += ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    before = digest()
    run = subprocess.run(words, capture_output=True, text=True, timeout=2400)
    assert run.returncode == 0, run.stderr
    assert digest() == before, "a run never writes notebooks/"
    rows = pages.read_results(tmp_path / "run")
    ours = rows[~pages.is_paper(rows)]
    untrained = {"original ads", *PLACEBOS, "feminine word list", "aligned, no RL", "best of 2", "greedy search"}
    assert set(ours["method"]) == untrained | {"ILQL", "RLOO", "GRPO", "PPO"}
    assert not ours["data"].str.contains("synthetic").any(), "the label says where the data came from"
    for name in ("ppo-0", "grpo-0", "rloo-0"):
        assert (tmp_path / f"run/artefacts/models/{name}/adapter_model.safetensors").is_file()
    names = {str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert {"index.html", "run.json", "tables/results.md", "tables/results.tex"} <= names
    assert {f"notebooks/{path.name}" for path in PATHS} <= names

    again = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0 and again.stderr.count("unchanged, kept") == len(PATHS), again.stderr
