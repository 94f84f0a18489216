"""Proximal Policy Optimisation of a text generator against any reward function.

One step is: sample a batch (rollout), score it with the frozen reference, call the reward, estimate advantages, take
some epochs of clipped gradient steps (update). `minimal.py` is the same in one file, for those who read PPO for the
first time; here are micro-batches, checkpoints and monitors besides. In the shape of cleanrl and of Huang et al. 2024,
"The N+ Implementation Details of RLHF with PPO"; TRL removed its PPO trainer in 1.13.
"""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from torch import Tensor, nn
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from autorefine_lib.errors import InputError, Stopped
from autorefine_lib.generator import actor
from autorefine_lib.generator.prompts import Prompts, check_decoder, encode
from autorefine_lib.generator.sampling import Samples, precision, sample
from autorefine_lib.generator.scoring import score
from autorefine_lib.ppo import checkpoint, ppo_math
from autorefine_lib.ppo.batches import Batches
from autorefine_lib.ppo.config import PPOConfig, check_config, learning_rate_factor
from autorefine_lib.ppo.training_log import Stopwatch, TrainingLog, describe_responses
from autorefine_lib.reward.calls import Reward, RewardResult, call_rewards, weigh_rewards


class PPOTrainer:
    """Train `model` in place with PPO, on a GPU where there is one.

    Args:
        model: decoder-only language model; what requires a gradient is trained (or LoRA adapters, by the configuration
            or by the caller, who may pass a `PeftModel`). Dropout is off throughout.
        tokenizer: of the model, with an EOS and a padding token.
        reward_funcs: one or several `reward(prompts, completions, **columns) -> list[float | None]`, called once a
            step each; completions are without special tokens. Unchanged usable in TRL's GRPO and RLOO trainers.
        train_dataset: with a text column `prompt`; the other columns go to the reward.
        config: see `PPOConfig`.
        output_dir: gets `log.csv`, `alarms.csv`, `tensorboard/` and `checkpoint-<step>/`.
        reward_weights: one per function, 1 each by default.
        on_step: called with the log row after every step.

    Raises:
        InputError: batch arithmetic that is not exact, no `prompt` column, equally named rewards.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        reward_funcs: Reward | list[Reward],
        train_dataset: Dataset,
        config: PPOConfig,
        output_dir: str | Path,
        reward_weights: list[float] | None = None,
        on_step: Callable[[dict[str, float]], None] | None = None,
    ) -> None:
        check_config(config, train_dataset)
        self.rewards = reward_funcs if isinstance(reward_funcs, list) else [reward_funcs]
        self.weights = weigh_rewards(self.rewards, reward_weights)
        prompts = list(train_dataset["prompt"])
        # A model or a prompt that would stop the run in the middle is refused here.
        check_decoder(model)
        encode(tokenizer, model, prompts, config.max_new_tokens, config.add_special_tokens)
        self.tokenizer, self.dataset, self.config = tokenizer, train_dataset, config
        self.settings = asdict(config) | {"reward_weights": self.weights, "prompts": checkpoint.fingerprint(prompts)}
        self.output_dir, self.on_step = Path(output_dir), on_step
        self.batches = Batches(
            train_dataset, config.batch_size, config.seed, config.shuffle, config.group_column, config.generations
        )
        self.kl = ppo_math.KLController(config.kl_coef, config.kl_target, config.kl_horizon)
        self.log = TrainingLog(self.output_dir, config.report_to)
        self.samples = pd.DataFrame()  # prompts, completions and rewards of the last step, to look at

        # What is trained, and the reference: with an adapter it is the same model without it, not a second one.
        model.to("cuda" if torch.cuda.is_available() else "cpu")
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            model = actor.add_lora(model, config.lora_rank, config.lora_alpha)
            self.value_head = actor.ValueHead(model)
        self.model, self.reference = model.eval(), actor.frozen_copy(model)
        self.modules = {"policy": model, "value_head": self.value_head}
        self.parameters = actor.trained_parameters(model)
        self.trained = self.parameters, list(self.value_head.parameters())
        rates = config.learning_rate, config.value_learning_rate or config.learning_rate
        groups = [{"params": weights, "initial_lr": rate} for weights, rate in zip(self.trained, rates, strict=True)]
        self.optimizer = torch.optim.AdamW(groups, eps=1e-5, weight_decay=0.0, fused=True)

    def train(self, resume: bool = True) -> pd.DataFrame:
        """Run to `config.steps`, from the newest checkpoint in `output_dir` if `resume`; returns the log.

        Without `resume`, checkpoints of an earlier run in `output_dir` are deleted. Ctrl-C finishes the step, saves a
        checkpoint and raises Stopped, a KeyboardInterrupt; a second one stops at once.

        Raises:
            InputError: the checkpoint has another configuration, data or rewards, or a reward returned nonsense.
            RuntimeError: a reward function raised. FloatingPointError: a loss, gradient or weight is not finite.
        """
        config = self.config
        if not resume:
            checkpoint.delete(*checkpoint.found(self.output_dir))
        state = checkpoint.load_newest(self.output_dir, self.modules, self.optimizer, self.settings) if resume else {}
        rows, self.kl.coef = state.get("log", []), state.get("kl_coef", self.kl.coef)
        self.log.start(rows, asdict(config))
        bar = tqdm(range(len(rows), config.steps), initial=len(rows), total=config.steps, desc="PPO")
        try:
            with checkpoint.interrupts() as interrupted:
                for step in bar:
                    row = self._step(step)
                    self.log.add(row)
                    bar.set_postfix(reward=f"{row['reward/mean']:.3f}", kl=f"{row['kl/response']:.2f}")
                    if self.on_step is not None:
                        self.on_step(row)
                    stop = interrupted.is_set()
                    if stop or (step + 1) % config.save_every == 0 or step + 1 == config.steps:
                        path = self._save(step + 1)
                    if stop:
                        raise Stopped(f"stopped after step {step + 1}: run it again to go on from {path}")
        except FloatingPointError as error:
            kept = checkpoint.last_good(self.output_dir)
            advice = "lower max_grad_norm, or learning_rate in another output_dir"
            raise FloatingPointError(f"step {step + 1}: {error}; {kept}; {advice}") from error
        finally:
            self.log.close()
        return pd.DataFrame(self.log.rows)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write policy (of adapters, those alone) and tokenizer as transformers and PEFT load them."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _step(self, step: int) -> dict[str, float]:
        """One batch and its updates, phase by phase; returns the log row."""
        config, clock = self.config, Stopwatch()

        # Batch: rows of the data, and their prompts as tokens.
        columns = self.dataset[self.batches.rows(step)]
        texts = columns.pop("prompt")
        prompts = encode(self.tokenizer, self.model, texts, config.max_new_tokens, config.add_special_tokens)

        # Rollout: responses with their log-probabilities and values, from one pass.
        samples = self._sample(step, prompts)
        mask, old = samples.mask, samples.logprobs
        if config.bf16 or self.model.dtype != torch.float32:
            # Cached and uncached passes round differently; without this the ratios would not start at 1.
            old = self._score(self.model, prompts, samples)
        clock.lap("rollout")

        # Reference: what the model before training says to the same responses.
        with actor.reference_model(self.model, self.reference) as reference:
            reference_logprobs = self._score(reference, prompts, samples)
        clock.lap("reference")

        # Reward: one call for the whole batch.
        completions = self.tokenizer.batch_decode(samples.tokens, skip_special_tokens=True)
        result = self._call_rewards(step, texts, completions, columns)
        scores = torch.tensor(result.total, dtype=torch.float32, device=mask.device)
        self.samples = pd.DataFrame({"prompt": texts, "completion": completions}).join(result.parts)
        clock.lap("reward")

        # Advantages: the reward on the last token of the response, the KL penalty on every token.
        k1 = ppo_math.kl_k1(old, reference_logprobs) * mask
        rewards = -self.kl.coef * k1
        rewards[torch.arange(len(scores)), mask.sum(1) - 1] += scores
        advantages, returns, critic = ppo_math.estimate(config, rewards, samples.values, mask, self.log.rows)

        # Update: clipped gradient steps.
        updates = self._update(step, prompts, samples, old, advantages, returns)
        clock.lap("update")

        # Log.
        kl = float(k1.sum(1).mean())
        row = {
            "step": step + 1,
            **result.log,
            "reward/mean": float(scores.mean()),
            "reward/std": float(scores.std()),
            "kl/response": kl,
            "kl/k3": float(ppo_math.masked_mean(ppo_math.kl_k3(old, reference_logprobs), mask)),
            "kl/coef": self.kl.coef,
            **updates,
            **critic,
            **describe_responses(samples),
        }
        self.kl.update(kl, config.batch_size)
        seconds = clock.seconds()
        return row | seconds | {"tokens_per_second": float(mask.sum()) / seconds["seconds/step"]}

    @torch.no_grad()
    def _sample(self, step: int, prompts: Prompts) -> Samples:
        """The rollout of the whole batch."""
        config = self.config
        uniforms = self.batches.uniforms(step, config.max_new_tokens).to(self.model.device)
        eos, pad = self.tokenizer.eos_token_id, self.tokenizer.pad_token_id
        model = actor.rollout_model(self.model, True) if config.bf16 else self.model
        with precision(model, config.bf16):
            longest, temperature = config.max_new_tokens, config.temperature
            return sample(model, prompts, eos, pad, longest, temperature, uniforms, self.value_head)

    @torch.no_grad()
    def _score(self, model: PreTrainedModel, prompts: Prompts, samples: Samples) -> Tensor:
        """Log-probabilities `[batch, time]` of the whole batch, 0 on padding."""
        every = torch.arange(len(samples.mask), device=samples.mask.device)
        logprobs = torch.zeros_like(samples.logprobs)
        for rows in self._micro_batches(prompts, samples, every):
            time = int(samples.mask[rows].sum(1).max())
            with precision(self.model, self.config.bf16):
                part = score(model, prompts.rows(rows), samples.tokens[rows, :time], self.config.temperature)
            logprobs[rows, :time] = part.logprobs
        return logprobs * samples.mask

    def _call_rewards(self, step: int, texts: list[str], completions: list[str], columns: dict) -> RewardResult:
        """What the reward functions say."""
        try:
            return call_rewards(self.rewards, self.weights, texts, completions, columns)
        except (InputError, RuntimeError) as error:
            # Nothing of this step has been learnt yet. In the first one there is nothing to lose.
            kept = f"; the steps before it are in {self._save(step)}" if step else ""
            raise type(error)(f"step {step + 1}: {error}{kept}") from error.__cause__

    def _update(
        self, step: int, prompts: Prompts, samples: Samples, old: Tensor, advantages: Tensor, returns: Tensor
    ) -> dict[str, float]:
        """Epochs of clipped gradient steps; returns the means of their figures over the gradient steps."""
        config = self.config
        rate = learning_rate_factor(step, config)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * rate
        figures: list[dict[str, float]] = []
        for epoch in range(config.epochs):
            generator, together = self.batches.generator(step, 1 + epoch, "cpu"), config.generations
            prompt = torch.randperm(config.batch_size // together, generator=generator).to(old.device)
            permutation = prompt[:, None] * together + torch.arange(together, device=old.device)
            for minibatch in permutation.flatten().chunk(config.minibatches):
                self.optimizer.zero_grad()
                figure = self._accumulate_gradients(prompts, samples, old, advantages, returns, minibatch)
                # Each by itself: a value head that is far off must not shorten the policy's step.
                limit = config.max_grad_norm
                norms = [float(nn.utils.clip_grad_norm_(weights, limit)) for weights in self.trained]
                figure |= {"optim/grad_norm": math.hypot(*norms), "value/grad_norm": norms[1]}
                if bad := [f"{name}={value}" for name, value in figure.items() if not math.isfinite(value)]:
                    if not figures:  # the weights are still those that the step began with
                        self._save(step)
                    raise FloatingPointError(", ".join(bad))
                figures.append(figure)
                self.optimizer.step()
        means = {name: float(np.mean([figure[name] for figure in figures])) for name in figures[0]}
        return means | {"optim/updates": len(figures), "optim/learning_rate": config.learning_rate * rate}

    def _accumulate_gradients(
        self, prompts: Prompts, samples: Samples, old: Tensor, advantages: Tensor, returns: Tensor, minibatch: Tensor
    ) -> dict[str, float]:
        """Backward passes over a minibatch; returns its figures.

        Token sums are taken over the token count of the whole minibatch, so the gradient does not depend on how it is
        split into micro-batches.
        """
        config, count, sums = self.config, samples.mask[minibatch].sum(), []
        for rows in self._micro_batches(prompts, samples, minibatch):
            time = int(samples.mask[rows].sum(1).max())
            kept, was, values = samples.mask[rows, :time], old[rows, :time], samples.values[rows, :time]
            with precision(self.model, config.bf16):
                taken = samples.tokens[rows, :time]
                new = score(self.model, prompts.rows(rows), taken, config.temperature, self.value_head)
            pg, pg_clipped = ppo_math.policy_loss(new.logprobs, was, advantages[rows, :time], config.clip_ratio)
            vf, vf_clipped = ppo_math.value_loss(new.values, values, returns[rows, :time], config.clip_value)
            terms = {"policy/loss": pg, "value/loss": vf, "policy/entropy": new.entropy,
                     "policy/clip_fraction": pg_clipped, "value/clip_fraction": vf_clipped,
                     "policy/kl": ppo_math.kl_k3(was, new.logprobs.detach())}  # fmt: skip
            terms = {name: (term * kept).sum() / count for name, term in terms.items()}
            (terms["policy/loss"] + config.value_coef * terms["value/loss"]).backward()
            sums.append(torch.stack([term.detach() for term in terms.values()]))
        return dict(zip(terms, torch.stack(sums).sum(0).tolist(), strict=True))

    def _micro_batches(self, prompts: Prompts, samples: Samples, rows: Tensor) -> tuple[Tensor, ...]:
        """`rows` sorted by length and split, so that each part carries little padding; equal prompts stay together."""
        lengths = prompts.attention_mask.sum(1) + samples.mask.sum(1)
        longest = lengths.unflatten(0, (-1, self.config.generations)).amax(1)
        order = longest[rows // self.config.generations].argsort(stable=True)
        return rows[order].split(self.config.micro_batch_size)

    def _save(self, step: int) -> Path:
        """The checkpoint of `step`, written now unless it is there."""
        path = checkpoint.folder(self.output_dir, step)
        if not path.exists():
            state = {"step": step, "kl_coef": self.kl.coef, "config": self.settings, "log": self.log.rows}
            checkpoint.save(self.output_dir, step, self.modules, self.optimizer, state)
        return path
