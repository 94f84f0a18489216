"""DPO learns which of two rewrites the reward prefers, and moves the adapters alone."""

import pandas as pd
import pytest
import torch
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.errors import InputError
from autorefine_lib.generator.generator import Generator
from autorefine_lib.others import other_optimisers


def test_pairs_are_the_best_and_the_worst_accepted_rewrite_of_a_sentence():
    rows = [
        ("j1", 0, "p1", "good", [], 0.3), ("j1", 0, "p1", "bad", [], -0.1), ("j1", 0, "p1", "middle", [], 0.1),
        ("j1", 0, "p1", "refused", ["lost number '5'"], 9.0), ("j1", 2, "p2", "alone", [], 0.2),
        ("j2", 0, "p3", "nearly", [], 0.20), ("j2", 0, "p3", "the same", [], 0.20),
    ]  # fmt: skip
    cache = pd.DataFrame(rows, columns=["job_id", "position", "prompt", "completion", "reasons", "reward"])
    pairs = other_optimisers.preference_pairs(cache)
    assert pairs.drop(columns="margin").to_numpy().tolist() == [["p1", "good", "bad"]]
    assert pairs["margin"].iloc[0] == pytest.approx(0.4)


def test_the_chosen_answer_becomes_likelier_and_the_base_stays():
    generator = Generator(tiny_model("llama"), tiny_tokenizer(), max_new_tokens=6)
    before = {name: p.detach().clone() for name, p in generator.model.named_parameters()}
    pairs = pd.DataFrame({"prompt": ["w1 w2 "] * 8, "chosen": ["w4 w5"] * 8, "rejected": ["w6 w7"] * 8})
    log = other_optimisers.dpo(
        generator, pairs, epochs=10, batch_size=4, micro_batch_size=2, learning_rate=1e-2, lora_rank=4
    )
    assert log["loss"].iloc[0] == pytest.approx(torch.log(torch.tensor(2.0)).item(), abs=1e-3)
    assert log["loss"].iloc[-1] < 0.3 and log["rewards/accuracies"].iloc[-1] == 1
    assert list(generator.model.peft_config) == ["default"]
    for name, p in generator.model.get_base_model().named_parameters():
        if "lora" not in name:
            assert torch.equal(p, before[name.replace("base_layer.", "")])


@pytest.mark.parametrize("pairs, rank, problem", [(0, 4, "no two accepted"), (1, 0, "lora_rank=0")])
def test_what_cannot_be_trained_is_refused(pairs, rank, problem):
    table = pd.DataFrame({"prompt": ["w1"], "chosen": ["w2"], "rejected": ["w3"]}).head(pairs)
    with pytest.raises(InputError, match=problem):
        other_optimisers.dpo(Generator(tiny_model("llama"), tiny_tokenizer()), table, lora_rank=rank)
