"""Learning curves of this project's PPO and of TRL 1.12.0's on one task: `reports/ppo/curves.csv` and its figure.

    for value in same own; do
      python tests/peers/ppo_curves.py --engine autorefine --value $value
      trl112/bin/python tests/peers/ppo_curves.py --engine trl --value $value     # as for tests/trl_ppo_fixture.py
    done
    python tests/peers/ppo_curves.py --draw

Each run replaces its own rows of the CSV; 5 seeds take one to four minutes on one core. Equal for both engines: the
task, the initial policy of a seed, the prompts, and the settings below; neither clips gradients, for TRL cannot. Left
as each engine has it: the random numbers, and the place of the reward (`tests/ppo/test_trl_ppo.py`). Two comparisons:

- same: both have this project's value function, a head of two layers on the policy's trunk, which it does not train,
  at the policy's learning rate;
- own: TRL as it comes, with a second model whose trunk starts as a copy of the policy's and is trained; here the head
  with a learning rate of its own, ten times the policy's (TRL has one for both; by default the ratio here is 100).

The task: prompts are 8 words numbered at random; the reward is the share of the 16 places of the response that hold a
word with an even number. Chance gives almost 1/2; who stops early loses. The models are random, so a trunk knows
nothing at first that a value head could use.
"""

import argparse
import tempfile
from pathlib import Path

import pandas as pd
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
    TrainerCallback,
)
from transformers.utils import ModelOutput

REPORTS = Path(__file__).parents[2] / "reports" / "ppo"
NAMES = {"autorefine": "AutoRefine", "trl": "TRL 1.12.0"}
COMPARISONS = {"same": "same value head in both", "own": "each with its own value function"}
KEYS = ["value", "engine", "seed", "step"]
PAD, EOS, UNK, VOCAB, PROMPT, RESPONSE = 0, 1, 2, 64, 8, 16
LAST = 10  # steps whose mean is the final reward
SETTINGS = dict(
    steps=40, batch_size=64, minibatches=1, epochs=4, learning_rate=1e-3, kl_coef=0.02, gamma=1.0, lam=0.95,
    clip_ratio=0.2, clip_value=0.2, value_coef=0.1, temperature=1.0,
)  # fmt: skip


class WordsOnly(nn.Linear):
    """An output layer that never emits padding, which TRL would take for the end of the response."""

    def forward(self, hidden):
        return super().forward(hidden).index_fill(-1, torch.tensor([PAD, UNK]), -1e9)


def config() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=VOCAB, hidden_size=64, intermediate_size=176, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, pad_token_id=PAD, bos_token_id=EOS, eos_token_id=EOS, tie_word_embeddings=False,
        num_labels=1,
    )  # fmt: skip


def policy(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config()).eval()
    head = WordsOnly(64, VOCAB, bias=False)
    head.weight = model.lm_head.weight
    model.lm_head = head
    return model


def tokenizer() -> PreTrainedTokenizerFast:
    words = {"<pad>": PAD, "<eos>": EOS, "<unk>": UNK} | {f"t{i}": i for i in range(3, VOCAB)}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="left"
    )


def prompts(seed: int) -> torch.Tensor:
    return torch.randint(3, VOCAB, (256, PROMPT), generator=torch.Generator().manual_seed(seed))


def hits(response: torch.Tensor) -> torch.Tensor:
    """Which tokens are rewarded."""
    return (response > UNK) & (response % 2 == 0)


def train_autorefine(seed: int, settings: dict, value: str) -> pd.DataFrame:
    from autorefine_lib.ppo.config import PPOConfig
    from autorefine_lib.ppo.trainer import PPOTrainer

    words = tokenizer()

    def share(completions):
        return [float(hits(torch.tensor(words(text).input_ids)).sum()) / RESPONSE for text in completions]

    texts = [" ".join(f"t{i}" for i in row) for row in prompts(seed).tolist()]
    with tempfile.TemporaryDirectory() as folder:
        trainer = PPOTrainer(
            policy(seed), words, share, Dataset.from_dict({"prompt": texts}),
            PPOConfig(**settings, max_new_tokens=RESPONSE, micro_batch_size=settings["batch_size"], seed=seed,
                      value_learning_rate=settings["learning_rate"] * {"same": 1, "own": 10}[value],
                      max_grad_norm=1e9, report_to=""),
            folder,
        )  # fmt: skip
        log = trainer.train()
    return pd.DataFrame({"step": log["step"], "reward": log["reward/mean"], "kl": log["kl/response"]})


class Share(nn.Module):
    """TRL wants the reward as a model: here its last hidden state is the share so far at each place."""

    def forward(self, input_ids, **_):
        found = torch.zeros(input_ids.shape)
        found[:, PROMPT:] = hits(input_ids[:, PROMPT:]).float().cumsum(1) / RESPONSE
        return ModelOutput(hidden_states=[found[..., None]])


class RewardModel(nn.Module):
    base_model_prefix = "share"

    def __init__(self):
        super().__init__()
        self.share, self.score = Share(), nn.Identity()


class ValueHead(nn.Sequential):
    """The head of `generator.actor`."""

    def __init__(self, width: int):
        super().__init__(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
        nn.init.zeros_(self[2].weight)
        nn.init.zeros_(self[2].bias)

    def forward(self, hidden):
        return super().forward(hidden.detach())


class ValueOnPolicy(nn.Module):
    """TRL wants the value as a model: here its trunk is the policy's."""

    base_model_prefix = "trunk"

    def __init__(self, model: LlamaForCausalLM):
        super().__init__()
        self.trunk, self.score = model.model, ValueHead(model.config.hidden_size)


def second_model(model: LlamaForCausalLM) -> LlamaForSequenceClassification:
    """A value model whose trunk starts as the policy's."""
    made = LlamaForSequenceClassification(config())
    made.model.load_state_dict(model.model.state_dict())
    nn.init.zeros_(made.score.weight)
    return made


def train_trl(seed: int, settings: dict, value: str) -> pd.DataFrame:
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    rows = []

    class Log(TrainerCallback):
        def on_log(self, args, state, control, logs, **_):
            rows.append((len(rows) + 1, logs["objective/scores"], logs["objective/kl"]))

    model, batch = policy(seed), settings["batch_size"]
    value_model = {"same": ValueOnPolicy, "own": second_model}[value](model)
    data = Dataset.from_dict({"input_ids": prompts(seed).tolist()})
    with tempfile.TemporaryDirectory() as folder:
        trainer = PPOTrainer(
            args=PPOConfig(
                output_dir=folder, total_episodes=batch * settings["steps"], per_device_train_batch_size=batch,
                num_mini_batches=settings["minibatches"], num_ppo_epochs=settings["epochs"], seed=seed,
                learning_rate=settings["learning_rate"], kl_coef=settings["kl_coef"], gamma=settings["gamma"],
                lam=settings["lam"], cliprange=settings["clip_ratio"], cliprange_value=settings["clip_value"],
                vf_coef=settings["value_coef"], whiten_rewards=False, adam_epsilon=1e-5,
                temperature=settings["temperature"], response_length=RESPONSE, stop_token="eos", use_cpu=True,
                local_rollout_forward_batch_size=batch, num_sample_generations=0, bf16=False, report_to=[],
                gradient_checkpointing=False, save_strategy="no",
            ),
            processing_class=tokenizer(), model=model, ref_model=None, reward_model=RewardModel(),
            value_model=value_model, train_dataset=data, eval_dataset=data, callbacks=[Log()],
        )  # fmt: skip
        trainer.train()
    return pd.DataFrame(rows, columns=["step", "reward", "kl"])


def final_rewards(log: pd.DataFrame) -> pd.DataFrame:
    """Mean reward of the last steps: a row a seed, a column a comparison and engine."""
    last = log[log["step"] > log["step"].max() - LAST]
    return last.pivot_table(index="seed", columns=["value", "engine"], values="reward")


def shares_within(log: pd.DataFrame) -> pd.DataFrame:
    """Share of the steps at which an engine's mean reward lies within the other's spread over the seeds.

    Columns value, engine, and the spreads "min to max" and "mean ± 2 sd".
    """
    found = []
    for value in COMPARISONS:
        steps = log[log["value"] == value].pivot_table(index="step", columns=["engine", "seed"], values="reward")
        for engine, other in (list(NAMES.values()), list(NAMES.values())[::-1]):
            mean, others = steps[engine].mean(axis=1), steps[other]
            row = {"value": value, "engine": engine}
            row["min to max"] = mean.between(others.min(axis=1), others.max(axis=1)).mean()
            row["mean ± 2 sd"] = ((mean - others.mean(axis=1)).abs() <= 2 * others.std(axis=1)).mean()
            found.append(row)
    return pd.DataFrame(found)


def table(log: pd.DataFrame) -> list[list[str]]:
    """The cells of the page's table, a row a comparison and engine."""
    finals, rows = final_rewards(log), []
    for row in shares_within(log).to_dict("records"):
        seeds = finals[row["value"], row["engine"]]
        final = f"{seeds.mean():.3f} ({seeds.min():.3f} to {seeds.max():.3f})"
        rows.append([row["value"], row["engine"], final, f"{row['min to max']:.0%}", f"{row['mean ± 2 sd']:.0%}"])
    return rows


def draw(log: pd.DataFrame) -> None:
    """Figure of the mean and the range over the seeds of each engine; prints the page's table."""
    import matplotlib.pyplot as plt

    from autorefine_lib.report import figures

    print("\n".join(f"| {' | '.join(row)} |" for row in table(log)))
    shares = shares_within(log)["mean ± 2 sd"]
    with plt.style.context(figures.STYLE):
        fig, axes = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True)
        fig.suptitle(
            "PPO here learns as TRL's does: each mean is within two standard deviations of the other\n"
            f"at {shares.min():.0%} to {shares.max():.0%} of the steps",
            x=0.01, ha="left", fontsize=13, fontweight="bold", color=figures.INK,
        )  # fmt: skip
        for ax, (value, title) in zip(axes, COMPARISONS.items(), strict=True):
            for engine, color in zip(NAMES.values(), figures.PALETTE, strict=False):
                by_step = log[(log["value"] == value) & (log["engine"] == engine)].groupby("step")["reward"]
                ax.fill_between(by_step.mean().index, by_step.min(), by_step.max(), color=color, alpha=0.2, lw=0)
                ax.plot(by_step.mean(), color=color, lw=2.5, label=engine)
            ax.set_title(title, loc="left", fontsize=11)
            ax.set_xlabel(f"step: {SETTINGS['batch_size']} responses, {SETTINGS['epochs']} epochs")
        axes[0].set_ylabel("reward: share of places with an even word")
        axes[0].legend(loc="lower right", frameon=False, title=f"mean and range of {log['seed'].nunique()} seeds")
    figures.save(fig, REPORTS / "curves")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=NAMES)
    parser.add_argument("--value", choices=COMPARISONS, default="same")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--draw", action="store_true", help="draw the figure from the CSV")
    parser.add_argument("--csv", type=Path, default=REPORTS / "curves.csv")
    options = parser.parse_args()
    log = pd.read_csv(options.csv) if options.csv.exists() else pd.DataFrame(columns=KEYS)
    if options.engine:
        train = {"autorefine": train_autorefine, "trl": train_trl}[options.engine]
        key = {"value": options.value, "engine": NAMES[options.engine]}
        runs = [train(seed, SETTINGS, options.value).assign(**key, seed=seed) for seed in range(options.seeds)]
        kept = log[(log["value"] != key["value"]) | (log["engine"] != key["engine"])]
        log = pd.concat([kept, *runs] if len(kept) else runs)[[*KEYS, "reward", "kl"]].sort_values(KEYS)
        options.csv.parent.mkdir(parents=True, exist_ok=True)
        log.round(6).to_csv(options.csv, index=False, lineterminator="\n")
    if options.draw:
        draw(log)


if __name__ == "__main__":
    main()
