"""Implicit Language Q-Learning: offline reinforcement learning whose policy is the aligned model, perturbed.

Snell, Kostrikov, Su, Yang and Levine 2022, "Offline RL for Natural Language Generation with Implicit Language Q
Learning" (arXiv 2206.11871), as AutoRefine uses it: Q and V heads learn from sampled rewrites and their measured
rewards, and the policy is softmax(log p + beta (min(Q1, Q2) - V)). The model itself stays as it was aligned.

Three things differ from the authors' code (Sea-Snell/Implicit-Language-Q-Learning), for small data and a small machine:

- The trunk is frozen, so its hidden states are computed once and the heads train in seconds. What a hidden state has
  forgotten no head brings back: at the end of a sentence it hardly tells which words were chosen, and one-step targets
  lose the reward on the way to them. Hence TD(lambda), see `ILQLConfig.lam`.
- A Q head ends in the model's own output embedding, not in a new matrix of the size of the vocabulary: words of similar
  meaning get similar values, a word that never occurred gets a sensible one, and a head is small.
- The perturbation keeps to the words that the model itself finds likely, see `ILQLProcessor`; the authors' CQL term
  does that too, but needs more data and more steps until it holds for sentences never seen.

Other sources: Kostrikov et al. 2022 (implicit Q-learning, the expectile); Kumar et al. 2020 (conservative Q-learning);
Sutton and Barto 2018, chapter 12 (lambda-returns).
"""

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm.auto import tqdm
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_atomic
from autorefine_lib.generator import pretrained
from autorefine_lib.generator.actor import ValueHead
from autorefine_lib.generator.generator import Generator
from autorefine_lib.generator.sampling import precision
from autorefine_lib.ppo import ppo_math

PERTURBATION = "heads.safetensors"
SUPPORT = 0.03
"""Least probability of a token, in shares of that of the likeliest one, at which it has a value of its own."""


@dataclass(frozen=True)
class ILQLConfig:
    """How the heads train, on rewards scaled to mean 0 and variance 1 over the data."""

    steps: int = 300
    """Gradient steps."""
    batch_size: int = 64
    """Episodes in a step, drawn with replacement."""
    learning_rate: float = 3e-4
    """For AdamW without weight decay."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    reward_clip: float = 3.0
    """Scaled rewards are cut off this far from 0, in standard deviations: single ads that jump would rule the loss."""
    tau: float = 0.7
    """Expectile of the target Q that V learns: 0.5 is the mean over what was sampled, near 1 the best of it."""
    lam: float = 0.95
    """Of the TD(lambda) targets of Q, without discount: 0 is the paper's r + V(s'), 1 the return that was observed
    (`ppo_math.gae`; the authors' code has a discount of 0.99, but of a text only the whole counts). With the
    embedded model and 96 validation ads the impact ratio went from 0.86 to 0.82 at 0, and to 0.93 or more at 0.95."""
    cql_weight: float = 0.02
    """Weight of the CQL term. The authors' toxicity task has 0.25, which here drowned the rewards: the term is still
    far from its minimum when the heads have learned what the rewards can teach."""
    cql_stride: int = 4
    """The CQL term is taken at every so-many-th state of a step: it needs the values of all tokens, the other terms
    those of the sampled ones only."""
    polyak: float = 0.02
    """Share of the Q heads that enters their moving average, the target, at every step (the authors' code: 0.005,
    over many more steps)."""
    bf16: bool = False
    """Whether the heads compute in bfloat16 (autocast); weights and losses stay fp32."""
    seed: int = 0
    """Of the heads' first weights and of the order of the data."""


class ILQLHeads(nn.Module):
    """Two Q heads and a V head on the input of the model's output embedding, `[..., width]`; all start at 0.

    Q(s, a) = w_a · g(h_s), with g two linear layers as in the paper and w_a the row of token a in the output embedding.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        weight = model.get_output_embeddings().weight.detach()
        width = weight.shape[1]
        self.q = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)) for _ in range(2)
        )
        for head in self.q:
            nn.init.zeros_(head[-1].weight)
            nn.init.zeros_(head[-1].bias)
        self.v = ValueHead(model)
        self.register_buffer("embedding", weight, persistent=False)  # the model's own memory, not saved again
        self.to(weight.device)

    def advantage(self, hidden: Tensor, columns: Tensor) -> Tensor:
        """min(Q1, Q2) - V of the tokens `columns` in the states `hidden` `[batch, width]`: `[batch, columns]`."""
        hidden, rows = hidden.float(), self.embedding[columns].float()
        q = torch.minimum(*(F.linear(head(hidden), rows).float() for head in self.q))
        return q - self.v(hidden)[:, None]


@dataclass(frozen=True)
class Episodes:
    """The offline data as the heads see them."""

    hidden: list[Tensor]
    """The states: for each episode the inputs of the output embedding, `[time, width]`."""
    tokens: list[Tensor]
    """The actions: for each episode the sampled ids, `[time]`."""
    rewards: Tensor
    """`[episodes]`, given for the last token."""

    def first(self, n: int) -> "Episodes":
        """The first `n` of them."""
        return Episodes(self.hidden[:n], self.tokens[:n], self.rewards[:n])


@torch.no_grad()
def episodes(generator: Generator, data: pd.DataFrame, bf16: bool = False) -> Episodes:
    """Run the frozen model once over the offline data (columns prompt, tokens and reward, from `offline.collect`)."""
    device = generator.model.device
    prompts, tokens = data["prompt"].tolist(), [torch.tensor(row, device=device) for row in data["tokens"]]
    rewards = torch.tensor(data["reward"].to_numpy(), dtype=torch.float32, device=device)
    hidden: dict[int, Tensor] = {}
    order = torch.tensor([len(row) for row in tokens]).argsort(stable=True)
    for part in tqdm(order.split(64), desc="hidden states"):
        rows = part.tolist()
        with precision(generator.model, bf16):
            # Where the value head would be, the states themselves come out.
            scores = generator.score([prompts[i] for i in rows], [tokens[i].tolist() for i in rows], nn.Identity())
        hidden |= {i: row[: len(tokens[i])].clone() for i, row in zip(rows, scores.values, strict=True)}
    return Episodes([hidden[i] for i in range(len(tokens))], tokens, rewards)


def train(model: PreTrainedModel, data: Episodes, config: ILQLConfig) -> tuple[ILQLHeads, pd.DataFrame]:
    """Train new heads for `model` on its own `data`; returns them, with the target Q heads as Q heads, and the log.

    The log has one row a step: step, the losses (`loss/q`, `loss/v`, `loss/cql`, each a mean over tokens, summed over
    the two heads), the means of Q and V at the sampled tokens, `q/explained_variance` of Q's targets, `seconds/step`.

    Raises:
        FloatingPointError: a loss is not finite.
    """
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        heads = ILQLHeads(model)
    target = copy.deepcopy(heads.q).requires_grad_(False)
    optimizer = torch.optim.AdamW(heads.parameters(), config.learning_rate, weight_decay=0.0)
    draw = torch.Generator().manual_seed(config.seed)
    rewards = (data.rewards - data.rewards.mean()) / data.rewards.std(correction=0).clamp(min=1e-8)
    rewards = rewards.clamp(-config.reward_clip, config.reward_clip)
    log = []
    for step in tqdm(range(config.steps), desc="ILQL"):
        began = time.perf_counter()
        drawn = torch.randint(len(data.tokens), (config.batch_size,), generator=draw)
        with precision(model, config.bf16):
            losses, figures = _losses(heads, target, data, rewards, drawn, config)
        loss = losses["loss/q"] + losses["loss/v"] + config.cql_weight * losses["loss/cql"]
        if not loss.isfinite():
            found = ", ".join(f"{name}={value:.3g}" for name, value in losses.items())
            raise FloatingPointError(f"step {step + 1}: {found}; lower learning_rate or max_grad_norm")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(heads.parameters(), config.max_grad_norm)
        optimizer.step()
        polyak_update(target, heads.q, config.polyak)
        row = {"step": step + 1} | {name: float(value.detach()) for name, value in losses.items()} | figures
        log.append(row | {"seconds/step": time.perf_counter() - began})
    heads.q = target  # the authors' code deploys the average, too
    return heads.requires_grad_(False), pd.DataFrame(log)


def _losses(
    heads: ILQLHeads, target: nn.ModuleList, data: Episodes, rewards: Tensor, drawn: Tensor, config: ILQLConfig
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Losses and other figures of the episodes `drawn`; `rewards` are scaled."""
    hidden, tokens = (torch.cat([part[i] for i in drawn]) for part in (data.hidden, data.tokens))
    hidden, device = hidden.float(), hidden.device
    lengths = torch.tensor([len(data.tokens[i]) for i in drawn], device=device)
    mask = torch.arange(int(lengths.max()), device=device) < lengths[:, None]
    v = heads.v(hidden)
    values, given = torch.zeros(2, *mask.shape, device=device)
    values[mask] = v.detach()
    given[torch.arange(len(drawn)), lengths - 1] = rewards[drawn]
    targets = ppo_math.gae(given, values, mask, 1.0, config.lam)[1][mask]

    answers, rows = [head(hidden) for head in heads.q], heads.embedding[tokens].float()
    taken = [(answer * rows).sum(1) for answer in answers]
    with torch.no_grad():
        target_q = torch.minimum(*((head(hidden) * rows).sum(1) for head in target))

    every, rows = slice(None, None, config.cql_stride), heads.embedding.float()
    losses = {
        "loss/q": sum((value - targets).square().mean() for value in taken),
        "loss/v": expectile_loss(target_q - v, config.tau).mean(),
        # Raises the values of what is in the data above those of what is not.
        "loss/cql": sum(
            F.cross_entropy(F.linear(answer[every], rows).float(), tokens[every], reduction="none").mean()
            for answer in answers
        ),
    }
    least = torch.minimum(*taken).detach()
    explained = ppo_math.explained_variance(least, targets, torch.ones_like(least, dtype=torch.bool))
    figures = {"q/mean": float(least.mean()), "v/mean": float(v.detach().mean()), "q/explained_variance": explained}
    return losses, figures


def expectile_loss(error: Tensor, tau: float) -> Tensor:
    """|tau - 1(error < 0)| error^2, elementwise, with error = target Q - V.

    At tau 0.5 V learns the mean of the sampled actions' values, near 1 the largest of them.
    """
    return torch.where(error < 0, 1 - tau, tau) * error**2


@torch.no_grad()
def polyak_update(target: nn.Module, online: nn.Module, rate: float) -> None:
    """target <- (1 - rate) target + rate online, in place."""
    for average, parameter in zip(target.parameters(), online.parameters(), strict=True):
        average.lerp_(parameter, rate)


class ILQLProcessor(LogitsProcessor):
    """Adds beta (min(Q1, Q2) - V) to the scores of `model`, in its `generate` as in `sampling.sample`.

    The states are read by a hook on the output embedding, so they cost no second pass; tokens at -inf are left out.
    A token to which the model itself gives less than `support` times the probability of its likeliest one has no value
    that the data could have taught: it is perturbed as the worst of the others, so that no error of Q can raise it
    (the constraint of discrete batch-constrained Q-learning: Fujimoto et al. 2019, "Benchmarking Batch Deep
    Reinforcement Learning Algorithms").

    Args:
        model: the model whose hidden states the heads were trained on; `hook.remove()` takes it off again.
        heads: from `train`.
        beta: inverse temperature of the perturbation; 0 leaves the scores as they are.
        support: from 0 to 1; 0 perturbs every token by its own value.

    Raises:
        InputError: `beta` is negative or not finite.
    """

    def __init__(self, model: PreTrainedModel, heads: ILQLHeads, beta: float, support: float = SUPPORT) -> None:
        if not 0 <= beta < math.inf:
            raise InputError(f"beta={beta} is not a finite number of 0 or more; choose for instance 4")
        self.heads, self.beta, self.support, self.hidden = heads, beta, support, None
        self.hook = model.get_output_embeddings().register_forward_pre_hook(self._look)

    def _look(self, module: nn.Module, inputs: tuple[Tensor]) -> None:
        self.hidden = inputs[0][:, -1]

    @torch.no_grad()
    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The perturbed scores; both `[batch, vocabulary]`."""
        columns = scores.isfinite().any(0).nonzero().squeeze(1)
        likely, advantage = scores[:, columns].softmax(-1), self.heads.advantage(self.hidden, columns)
        outside = likely < self.support * likely.amax(-1, keepdim=True)
        worst = advantage.masked_fill(outside, torch.inf).amin(-1, keepdim=True)
        return scores.index_add(1, columns, self.beta * torch.where(outside, worst, advantage))


def perturb(generator: Generator, heads: ILQLHeads, beta: float, support: float = SUPPORT) -> ILQLProcessor:
    """Let `generator` write with the perturbation, in place of a former one; the errors are `ILQLProcessor`'s."""
    for former in generator.logits_processor or []:
        former.hook.remove()
    processor = ILQLProcessor(generator.model, heads, beta, support)
    generator.logits_processor = LogitsProcessorList([processor])
    return processor


def save(processor: ILQLProcessor, folder: Path) -> None:
    """Write heads and beta into `folder`, beside the model that `pretrained.save` wrote there."""
    weights = {name: value.contiguous() for name, value in processor.heads.state_dict().items()}
    settings = {"format": "pt", "beta": repr(processor.beta), "support": repr(processor.support)}
    write_atomic(Path(folder) / PERTURBATION, lambda place: save_file(weights, place, metadata=settings))


def load_policy(folder: Path) -> Generator:
    """A policy of a run, whichever optimiser trained it: one of ILQL's with the perturbation that `save` wrote.

    Raises:
        InputError: as `pretrained.load`.
    """
    generator, path = pretrained.load(str(folder)), Path(folder) / PERTURBATION
    if path.is_file():
        heads = ILQLHeads(generator.model)
        heads.load_state_dict(load_file(path))
        with safe_open(path, "pt") as file:
            settings = file.metadata()
        perturb(generator, heads.requires_grad_(False), float(settings["beta"]), float(settings["support"]))
    return generator
