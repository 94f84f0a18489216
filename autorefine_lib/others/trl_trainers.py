"""TRL's GRPO and RLOO trainers around this library's policy, so that they differ from PPO in the optimiser alone.

TRL 1.16 samples with `model.generate`. `SharedPolicy` replaces the three methods in which they touch tokenizer and
model by `scoring` and `sampling`; everything else is TRL's.
"""

from typing import Any

import torch
import torch.nn.functional as F
from datasets import Dataset
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel, PrinterCallback, Trainer
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from autorefine_lib.generator.actor import frozen_copy
from autorefine_lib.generator.generator import Generator
from autorefine_lib.generator.prompts import Prompts
from autorefine_lib.generator.sampling import precision, sample
from autorefine_lib.generator.scoring import score
from autorefine_lib.reward.calls import Reward


def train(trainer: Trainer) -> PreTrainedModel | PeftModel:
    """The model of `trainer`, trained, without the copy of the adapter that some trainers take as reference."""
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model = trainer.model.eval()
    if isinstance(model, PeftModel) and "ref" in model.peft_config:
        model.delete_adapter("ref")
    return model


class SharedPolicy(Trainer):
    """Mixin for TRL's trainers that samples with `sampling.sample` and scores with `scoring.score`, in one process.

    Args:
        generator: its model is trained, with or without LoRA adapters.
        reward: as PPO takes it.
        train_dataset: with a text column `prompt`; the other columns go to the reward.
        config: TRL's. `beta` above 0 keeps a frozen copy of the model, or switches its adapter off.
        bf16: whether forward passes run in bfloat16 (autocast).
    """

    def __init__(
        self,
        generator: Generator,
        reward: Reward,
        train_dataset: Dataset,
        config: GRPOConfig | RLOOConfig,
        bf16: bool = False,
        **arguments: Any,
    ) -> None:
        config.disable_dropout = True  # as in PPO; TRL puts the model in training mode
        # TRL would load the reference anew from the Hub by the model's name.
        beta, config.beta = config.beta, 0.0
        model = generator.model
        super().__init__(model, reward, config, train_dataset, processing_class=generator.tokenizer, **arguments)
        # TRL has put a forward of its own on the model; a copy would still call the original through it.
        del (model.get_base_model() if isinstance(model, PeftModel) else model).forward
        self.beta = beta
        self.ref_model = frozen_copy(model) if beta else None
        self.add_special_tokens, self.autocast_bf16 = generator.add_special_tokens, bf16
        self.random = torch.Generator().manual_seed(config.seed)

    def _send_telemetry(self) -> None:
        """Nothing is sent anywhere."""

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict]:
        return self.processing_class(prompts, add_special_tokens=self.add_special_tokens).input_ids, None, {}

    def _pad(self, prompt_ids: list[list[int]]) -> Prompts:
        """The prompts as the model wants them padded."""
        padded = self.processing_class.pad({"input_ids": prompt_ids}, padding_side="left", return_tensors="pt")
        return Prompts(**padded.to(self.model.device))

    def _sample(self, prompt_ids: list[list[int]]) -> list[list[int]]:
        tokenizer = self.processing_class
        with precision(self.model, self.autocast_bf16):
            samples = sample(
                self.model, self._pad(prompt_ids), tokenizer.eos_token_id, tokenizer.pad_token_id,
                self.max_completion_length, self.temperature,
                torch.rand(len(prompt_ids), self.max_completion_length, generator=self.random).to(self.model.device),
            )  # fmt: skip
        return samples.responses()

    def _get_per_token_logps_and_entropies(
        self,
        model: PreTrainedModel,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **unused: object,
    ) -> tuple[Tensor, Tensor | None, None]:
        """Log-probabilities and entropies `[rows, logits_to_keep]` of the completions, the last columns of the ids."""
        parts = []
        for rows in torch.arange(len(input_ids)).split(batch_size or len(input_ids)):
            prompt, completion = input_ids[rows].tensor_split([-logits_to_keep], dim=1)
            real = attention_mask[rows, :-logits_to_keep].bool()
            prompts = self._pad([ids[mask].tolist() for ids, mask in zip(prompt, real, strict=True)])
            longest = int(attention_mask[rows, -logits_to_keep:].sum(1).max())
            with precision(self.model, self.autocast_bf16):
                scores = score(model, prompts, completion[:, :longest], self.temperature)
            padding = (0, logits_to_keep - longest)
            parts.append((F.pad(scores.logprobs, padding), F.pad(scores.entropy, padding)))
        logprobs, entropy = (torch.cat(part) for part in zip(*parts, strict=True))
        return logprobs, entropy if compute_entropy else None, None


class GRPO(SharedPolicy, GRPOTrainer):
    """Group relative policy optimisation (Shao et al., 2024)."""

    def _generate_single_turn(self, prompt_ids: list[list[int]], *unused: object) -> tuple[list[list[int]], None]:
        return self._sample(prompt_ids), None


class RLOO(SharedPolicy, RLOOTrainer):
    """REINFORCE leave-one-out (Ahmadian et al., 2024)."""

    def _generate_single_turn(self, prompt_ids: list[list[int]], *unused: object) -> list[list[int]]:
        return self._sample(prompt_ids)
