"""The arithmetic of PPO on token sequences: small pure functions on `[batch, time]` tensors.

A mask is True where a token was sampled (the EOS included) and False on padding. Sources: Schulman et al. 2016
(GAE) and 2017 (PPO); Ziegler et al. 2019 (KL penalty and its controller); Schulman 2020, "Approximating KL
divergence" (k1, k3); Huang et al. 2022 and 2024 (implementation details).

Advantages: plain GAE for one response a prompt, leave-one-out for several.
With several responses the mean return of a prompt's others is a baseline that nothing has to learn. What it leaves, the
residual, is what a value head can still tell from the words written so far; a bad one adds noise, so it has to show its
worth first, on rollouts that it has not learned from (as in EVPO, arXiv 2604.19485; its targets have lambda 1, as in
VC-PPO, arXiv 2503.01491).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autorefine_lib.ppo.config import PPOConfig

EXPLAINED = "value/explained_variance"


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the True places of `mask`, a scalar."""
    return (values * mask).sum() / mask.sum()


def masked_whiten(values: Tensor, mask: Tensor) -> Tensor:
    """`values` scaled to mean 0 and variance 1 over `mask`; 0 on padding.

    The variance is the unbiased one (n - 1), as in TRL; the paper code of Huang et al. 2024 uses n.
    """
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean) ** 2, mask)
    count = mask.sum()
    variance = variance * count / (count - 1).clamp(min=1)
    return (values - mean) * torch.rsqrt(variance + 1e-8) * mask


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimates and returns, both `[batch, time]` and 0 on padding.

    Schulman et al. 2016, eq. 16: A_t = sum_l (gamma lam)^l delta_{t+l}, delta_t = r_t + gamma V_{t+1} - V_t. A response
    is a whole episode, so V after its last token is 0, whether it stopped by itself or at the length limit
    (Huang et al. 2024). The returns are A + V, the targets of the value head.
    """
    values = values * mask
    advantages = torch.zeros_like(values)
    following, next_value = torch.zeros_like(values[:, 0]), torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        following = (delta + gamma * lam * following) * mask[:, t]
        next_value = values[:, t]
        advantages[:, t] = following
    return advantages, (advantages + values) * mask


def kl_k1(logprobs: Tensor, reference: Tensor) -> Tensor:
    """log p - log q per token: unbiased for KL(p || q), may be negative. The term in the reward."""
    return logprobs - reference


def kl_k3(logprobs: Tensor, reference: Tensor) -> Tensor:
    """q/p - 1 - log(q/p) per token: unbiased too, never negative and less noisy. The term that is logged."""
    log_ratio = reference - logprobs
    return torch.expm1(log_ratio) - log_ratio


def policy_loss(logprobs: Tensor, old: Tensor, advantages: Tensor, clip_ratio: float) -> tuple[Tensor, Tensor]:
    """Clipped surrogate per token (Schulman et al. 2017, eq. 7, as a loss) and whether the clipping was active."""
    ratio = torch.exp(logprobs - old)
    plain = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - clip_ratio, 1 + clip_ratio)
    return torch.maximum(plain, clipped), clipped > plain


def value_loss(values: Tensor, old: Tensor, returns: Tensor, clip_value: float) -> tuple[Tensor, Tensor]:
    """Half the squared error per token, the larger of plain and clipped (Huang et al. 2022, detail 9), and where."""
    plain = (values - returns) ** 2
    # Not old + clamp(values - old): its rounding would count values within the range as clipped.
    clipped = (values.clamp(old - clip_value, old + clip_value) - returns) ** 2
    return 0.5 * torch.maximum(plain, clipped), clipped > plain


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> float:
    """1 - Var(returns - values) / Var(returns) over `mask`: 1 is perfect, 0 no better than a constant, < 0 worse."""
    targets, errors = returns[mask], (returns - values)[mask]
    variance = targets.var(correction=0)
    return float(1 - errors.var(correction=0) / variance) if variance > 0 else float("nan")


def estimate(
    config: PPOConfig, rewards: Tensor, values: Tensor, mask: Tensor, earlier: Sequence[dict[str, float]]
) -> tuple[Tensor, Tensor, dict[str, float]]:
    """Whitened advantages and returns, `[batch, time]`, and log columns about the value head.

    Args:
        config: says how many generations a prompt has; they stand one after the other in the batch.
        rewards: per token, `[batch, time]`, the KL penalty included, 0 on padding.
        values: what the value head said during the rollout, `[batch, time]`.
        mask: True on sampled tokens.
        earlier: log rows of the steps before.
    """
    if config.generations == 1:
        advantages, returns = gae(rewards, values, mask, config.gamma, config.lam)
        explained, used = explained_variance(values, returns, mask), True
    else:
        returns = residual_returns(rewards, mask, config.generations, config.gamma)
        explained = explained_variance(values, returns, mask)
        used = critic_helps([*(row[EXPLAINED] for row in earlier), explained], config.value_window)
        advantages = (returns - values) * mask if used else returns
    return masked_whiten(advantages, mask), returns, {EXPLAINED: explained, "value/used": float(used)}


def residual_returns(rewards: Tensor, mask: Tensor, generations: int, gamma: float = 1.0) -> Tensor:
    """What each token still brings beyond the leave-one-out baseline, `[batch, time]`, 0 on padding.

    In units of the standard deviation of the responses' residuals, so that a value head learns at the same pace
    whatever the size of the reward; whitened advantages do not depend on it.
    """
    totals = rewards.sum(1)
    residuals = leave_one_out(totals, generations)
    last = torch.arange(rewards.shape[1], device=rewards.device) == mask.sum(1, keepdim=True) - 1
    shifted = rewards + last * (residuals - totals)[:, None]
    returns, _ = gae(shifted, torch.zeros_like(shifted), mask, gamma, 1.0)
    return returns / (residuals.std() + 1e-8)


def leave_one_out(totals: Tensor, generations: int) -> Tensor:
    """`totals` `[batch]`, each less the mean of its prompt's other responses (RLOO: Ahmadian et al. 2024, section 3.1).

    The `generations` responses to a prompt, at least 2, stand one after the other.
    """
    groups = totals.unflatten(0, (-1, generations))
    others = (groups.sum(1, keepdim=True) - groups) / (generations - 1)
    return (groups - others).flatten()


def critic_helps(explained: Sequence[float], window: int) -> bool:
    """Whether the variance explained by the value head is above 0 in the mean of the last `window` steps.

    Not before there are so many, and not when one is unknown (NaN).
    """
    recent = explained[-window:]
    return len(recent) == window and math.fsum(recent) > 0


@dataclass
class KLController:
    """The KL coefficient: fixed when `target` is None, else adaptive (Ziegler et al. 2019, section 2.2)."""

    coef: float
    target: float | None = None
    """Wished KL per response, in nats, summed over its tokens."""
    horizon: int = 10_000
    """Responses over which the coefficient reacts; smaller is quicker."""

    def update(self, kl: float, responses: int) -> None:
        """Raise or lower the coefficient after a batch of `responses` with mean KL per response `kl`."""
        if self.target is not None:
            error = min(max(kl / self.target - 1, -0.2), 0.2)
            self.coef *= 1 + error * responses / self.horizon
