"""The arithmetic of PPO on token sequences: small pure functions on `[batch, time]` tensors.

A mask is True where a token was sampled (the EOS included) and False on padding. Sources: Schulman et al. 2016
(GAE) and 2017 (PPO); Ziegler et al. 2019 (KL penalty and its controller); Schulman 2020, "Approximating KL
divergence" (k1, k3); Huang et al. 2022 and 2024 (implementation details).
"""

from dataclasses import dataclass

import torch
from torch import Tensor


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
