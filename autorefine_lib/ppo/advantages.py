"""Advantages and the value head's targets: plain GAE for one response a prompt, leave-one-out for several.

With several responses the mean return of a prompt's others is a baseline that nothing has to learn. What it leaves, the
residual, is what a value head can still tell from the words written so far; a bad one adds noise, so it has to show its
worth first, on rollouts that it has not learned from (as in EVPO, arXiv 2604.19485; its targets have lambda 1, as in
VC-PPO, arXiv 2503.01491).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from autorefine_lib.ppo import ppo_math
from autorefine_lib.ppo.config import PPOConfig

EXPLAINED = "value/explained_variance"


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
        advantages, returns = ppo_math.gae(rewards, values, mask, config.gamma, config.lam)
        explained, used = ppo_math.explained_variance(values, returns, mask), True
    else:
        returns = residual_returns(rewards, mask, config.generations, config.gamma)
        explained = ppo_math.explained_variance(values, returns, mask)
        used = critic_helps([*(row[EXPLAINED] for row in earlier), explained], config.value_window)
        advantages = (returns - values) * mask if used else returns
    return ppo_math.masked_whiten(advantages, mask), returns, {EXPLAINED: explained, "value/used": float(used)}


def residual_returns(rewards: Tensor, mask: Tensor, generations: int, gamma: float = 1.0) -> Tensor:
    """What each token still brings beyond the leave-one-out baseline, `[batch, time]`, 0 on padding.

    In units of the standard deviation of the responses' residuals, so that a value head learns at the same pace
    whatever the size of the reward; whitened advantages do not depend on it.
    """
    totals = rewards.sum(1)
    residuals = leave_one_out(totals, generations)
    last = torch.arange(rewards.shape[1], device=rewards.device) == mask.sum(1, keepdim=True) - 1
    shifted = rewards + last * (residuals - totals)[:, None]
    returns, _ = ppo_math.gae(shifted, torch.zeros_like(shifted), mask, gamma, 1.0)
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
