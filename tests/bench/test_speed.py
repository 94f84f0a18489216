"""The bench: of ranking on a few texts, of PPO on a model of a few thousand weights (fields, sums and arithmetic)."""

import json
from dataclasses import asdict, replace

import pytest
from tiny_models import tiny_model, tiny_tokenizer
from typer.testing import CliRunner

from autorefine_lib.bench import speed
from autorefine_lib.cli import app
from autorefine_lib.errors import InputError
from autorefine_lib.generator.generator import Generator
from autorefine_lib.ppo.config import PPOConfig


@pytest.mark.parametrize(
    ("what", "rates"),
    [("rank", ["candidates_per_second", "ads_per_second"])],
)
def test_rates_are_measured(monkeypatch, what: str, rates: list[str]):
    monkeypatch.setattr(speed, "ADS", 2)
    monkeypatch.setattr(speed, "CANDIDATES", 6)
    result = speed.measure(what)
    assert result["what"] == what and all(result[name] > 0 for name in rates)
    assert result.get("texts", 8) == 8, "two ads and six biographies"
    assert {"machine", "commit", "versions"} <= set(result)


def test_whole_ads_are_rewritten_by_the_minute(monkeypatch):
    asked, seen = [], []
    monkeypatch.setattr(speed, "ADS", 3)
    monkeypatch.setattr(speed.pretrained, "load", lambda name: asked.append(name) or tiny_generator())
    monkeypatch.setattr(speed.deploy, "rewrite_ads", lambda _, ads: seen.append([text for _, text in ads]) or [])
    clock = iter([10.0, 12.0])
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    result = speed._measure_rewriting()
    assert asked == ["rewarded"] and list(map(len, seen)) == [2, 3] and not set(seen[0]) & set(seen[1])
    assert (result["ads"], result["ads_per_minute"]) == (3, 90) and result["threads"] >= 1
    assert result["words_per_ad"] == round(sum(len(text.split()) for text in seen[1]) / 3)


def test_the_ads_have_150_words_or_so():
    ads, _ = speed._make_texts()
    assert len(ads) == 2 * speed.ADS and 140 <= sum(len(text.split()) for text in ads) / len(ads) <= 160


def test_a_rate_is_things_over_seconds(monkeypatch):
    clock = iter([10.0, 10.5])
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    assert speed._per_second(40, lambda: None) == 80


def test_something_else_is_refused():
    with pytest.raises(InputError, match="one of rank, rewrite, ppo"):
        speed.measure("speed")


TINY = replace(speed.WORKLOAD, batch_size=4, generations=2, micro_batch_size=2, max_new_tokens=6, lora_rank=2)


def tiny_generator() -> Generator:
    """O*NET's words are unknown to its tokenizer: every prompt is as long as its sentence."""
    return Generator(tiny_model("llama"), tiny_tokenizer(), max_new_tokens=6, instruction="w1")


def test_the_fields_and_that_the_phases_add_up_to_the_step():
    figures = speed.measure_ppo(TINY, tiny_generator())
    assert all(figures[name] == getattr(TINY, name) for name in speed.SIZES)
    phases = sum(figures[f"{name}_s"] for name in (*speed.PHASES, "rest"))
    assert phases == pytest.approx(figures["seconds_per_step"], rel=0.01, abs=0.003)
    assert figures["episodes_per_s"] == pytest.approx(TINY.batch_size / figures["seconds_per_step"], rel=0.05)
    assert 0 < figures["rollout_tokens_per_s"] < TINY.batch_size * TINY.max_new_tokens / figures["rollout_s"] * 1.05
    assert figures["generate_tokens_per_s"] > 0
    assert figures["peak_rss_mib"] > 100 and figures["threads"] >= 1


@pytest.mark.parametrize("steps, expected", [(1, 0.1), (2, 0.2), (3, 0.25), (4, 0.3)])
def test_a_step_is_timed_end_to_end_and_the_median_taken(monkeypatch, steps, expected):
    """The first step lasts 0.1 s and is not counted where there are others, the second 0.2, then 0.3 and 0.9."""
    durations = iter([0.1, 0.2, 0.3, 0.9])

    class Steps:
        def __init__(self, *unused, on_step):
            self.on_step = on_step

        def train(self, resume):
            for _ in range(steps):
                step = next(durations)
                clock[0] += step
                half = {f"seconds/{name}": step / 8 for name in ("rollout", "reference", "reward", "update")}
                self.on_step(half | {"response/length": 6.0})

    clock = [0.0]
    monkeypatch.setattr(speed, "PPOTrainer", Steps)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(speed, "_measure_generate", lambda *_: 1.0)
    figures = speed.measure_ppo(replace(TINY, steps=steps), tiny_generator())
    assert figures["rollout_tokens_per_s"] == pytest.approx(4 * 6 / (expected / 8), rel=0.01)
    assert figures["seconds_per_step"] == pytest.approx(expected)
    assert figures["rest_s"] == pytest.approx(expected / 2) and figures["update_s"] == pytest.approx(
        expected / 8, abs=1e-3
    )


def test_the_command_prints_json(monkeypatch):
    measured = []

    def measure_ppo(config: PPOConfig) -> dict:
        measured.append(config)
        return asdict(config)

    monkeypatch.setattr(speed, "measure_ppo", measure_ppo)
    result = CliRunner().invoke(app, ["bench", "ppo", "--bf16", "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["what"] == "ppo" and figures["bf16"] and {"machine", "commit", "versions"} <= set(figures)
    assert measured == [replace(speed.WORKLOAD, bf16=True)]
