"""Leave-one-out baselines by hand, and a value head that enters the advantages only where it helps."""

import math

import pytest
import torch

from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.ppo.ppo_math import critic_helps, estimate, leave_one_out, masked_whiten, residual_returns

CONFIG = PPOConfig(batch_size=4, generations=2, value_window=2)
MASK = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=torch.bool)
REWARDS = torch.tensor([[0.0, -0.5, 3.5], [0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])


def test_leave_one_out_by_hand():
    totals = torch.tensor([3.0, 1.0, 2.0, 0.0, 0.0, 6.0])
    # Of the first prompt: 3 - (1 + 2) / 2, 1 - (3 + 2) / 2, 2 - (3 + 1) / 2.
    torch.testing.assert_close(leave_one_out(totals, 3), torch.tensor([1.5, -1.5, 0.0, -3.0, -3.0, 6.0]))


def test_residual_returns_by_hand():
    # Totals 3, 1 | 2, 0; residuals 2, -2 | 2, -2, whose standard deviation is sqrt(16 / 3).
    # First response: 2 in all, of which -0.5 was spent on its second token; what comes after that is 2.5.
    expected = torch.tensor([[2.0, 2.0, 2.5], [-2.0, -2.0, 0.0], [2.0, 0.0, 0.0], [-2.0, -2.0, -2.0]])
    torch.testing.assert_close(residual_returns(REWARDS, MASK, 2), expected / math.sqrt(16 / 3))
    torch.testing.assert_close(residual_returns(100 * REWARDS, MASK, 2), residual_returns(REWARDS, MASK, 2))


def test_the_critic_has_to_explain_something_over_the_last_steps():
    assert not critic_helps([], 2) and not critic_helps([0.5], 2)
    assert critic_helps([-9.0, 0.5, -0.4], 2)
    assert not critic_helps([9.0, 0.4, -0.5], 2) and not critic_helps([0.4, math.nan], 2)


@pytest.mark.parametrize("earlier, used", [([], 0), ([{"value/explained_variance": 0.5}], 1)])
def test_the_critic_is_switched_on_and_off(earlier, used):
    returns = residual_returns(REWARDS, MASK, 2)
    values = 0.5 * returns  # explains 1 - 0.25 of the variance
    advantages, targets, columns = estimate(CONFIG, REWARDS, values, MASK, earlier)
    torch.testing.assert_close(targets, returns)
    torch.testing.assert_close(advantages, masked_whiten(returns - used * values, MASK))
    assert columns == {"value/explained_variance": pytest.approx(0.75), "value/used": used}
    against = [{"value/explained_variance": -2.0}]
    assert estimate(CONFIG, REWARDS, values, MASK, against)[2]["value/used"] == 0
