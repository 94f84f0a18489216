"""The arithmetic of ILQL: the parts of its loss and the moving average of its target, as small pure functions.

Sources: Snell et al. 2022 (ILQL, arXiv 2206.11871), section 4; Kostrikov et al. 2022 (implicit Q-learning, the
expectile); Kumar et al. 2020 (conservative Q-learning); Sutton and Barto 2018, chapter 12 (lambda-returns).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autorefine_lib.ppo import ppo_math


def expectile_loss(error: Tensor, tau: float) -> Tensor:
    """|tau - 1(error < 0)| error^2, elementwise, with error = target Q - V.

    At tau 0.5 V learns the mean of the sampled actions' values, near 1 the largest of them.
    """
    return torch.where(error < 0, 1 - tau, tau) * error**2


def td_targets(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> Tensor:
    """Targets of Q, `[batch, time]`, 0 on padding; V after the last token is 0.

    G_t = r_t + gamma ((1 - lam) V(s_{t+1}) + lam G_{t+1}): at `lam` 0 the paper's r_t + gamma V(s_{t+1}), at 1 the
    return that was observed, between them the lambda-return.
    """
    return ppo_math.gae(rewards, values, mask, gamma, lam)[1]


def cql_loss(q: Tensor, index: Tensor) -> Tensor:
    """Cross entropy of softmax(Q), `[states, actions]`, with the action taken, `[states]`: one number a state.

    Raises the values of what is in the data above those of what is not.
    """
    return F.cross_entropy(q.float(), index, reduction="none")


@torch.no_grad()
def polyak_update(target: nn.Module, online: nn.Module, rate: float) -> None:
    """target <- (1 - rate) target + rate online, in place."""
    for average, parameter in zip(target.parameters(), online.parameters(), strict=True):
        average.lerp_(parameter, rate)
