"""PPO's arithmetic: GAE against its definition; losses, KL, leave-one-out and the switch of the value head by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.ppo import ppo_math
from autorefine_lib.ppo.config import PPOConfig


def gae_by_hand(rewards, values, gamma, lam):
    """The definition for one response without padding: A_t = sum over l of (gamma lam)^l delta_{t+l}."""
    following = values[1:] + [0.0]
    deltas = [r + gamma * n - v for r, v, n in zip(rewards, values, following, strict=True)]
    return [sum((gamma * lam) ** (j - t) * deltas[j] for j in range(t, len(deltas))) for t in range(len(deltas))]


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    gamma=st.floats(0.5, 1),
    lam=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
@settings(max_examples=50, deadline=None)
def test_gae_equals_its_definition(lengths, gamma, lam, seed):
    generator = torch.Generator().manual_seed(seed)
    time = max(lengths)
    mask = torch.arange(time) < torch.tensor(lengths)[:, None]
    rewards = torch.randn(len(lengths), time, generator=generator) * mask
    values = torch.randn(len(lengths), time, generator=generator)  # on padding too: it must not count
    advantages, returns = ppo_math.gae(rewards, values, mask, gamma, lam)
    for row, n in enumerate(lengths):
        expected = torch.tensor(gae_by_hand(rewards[row, :n].tolist(), values[row, :n].tolist(), gamma, lam))
        torch.testing.assert_close(advantages[row, :n], expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(returns[row, :n], expected + values[row, :n], atol=1e-5, rtol=1e-5)
        assert not advantages[row, n:].any() and not returns[row, n:].any()


@pytest.mark.parametrize(
    ("lam", "expected"), [(0.0, [0.18, 0.09, 1.0]), (1.0, [0.81, 0.9, 1.0]), (0.5, [0.31275, 0.495, 1.0])]
)
def test_returns_are_the_targets_of_td_lambda(lam, expected):
    """gamma 0.9, V = 0.5, 0.2, 0.1 and the reward 1 at the last token; the fourth place is padding."""
    rewards, values = torch.tensor([[0.0, 0, 1, 0], [0, 0, 1, 0]]), torch.tensor([[0.5, 0.2, 0.1, 9]] * 2)
    mask = torch.tensor([[True, True, True, False]] * 2)
    found = ppo_math.gae(rewards, values, mask, 0.9, lam)[1]
    torch.testing.assert_close(found, torch.tensor([[*expected, 0.0]] * 2))


def test_gae_of_two_tokens():
    advantages, returns = ppo_math.gae(
        torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.25]]), torch.ones(1, 2, dtype=torch.bool), 1.0, 0.5
    )
    # delta = [0 + 0.25 - 0.5, 1 - 0.25] = [-0.25, 0.75]; A_0 = -0.25 + 0.5 * 0.75
    assert advantages.tolist() == [[0.125, 0.75]]
    assert returns.tolist() == [[0.625, 1.0]]


def test_masked_whiten():
    values, mask = torch.tensor([[1.0, 3.0, 99.0]]), torch.tensor([[True, True, False]])
    whitened = ppo_math.masked_whiten(values, mask)  # mean 2, unbiased variance 2
    torch.testing.assert_close(whitened, torch.tensor([[-1, 1, 0]]) / math.sqrt(2))


def test_policy_loss_clips_gains_but_not_losses():
    old = torch.zeros(4)
    new = torch.log(torch.tensor([1.5, 1.5, 0.5, 1.1]))
    loss, clipped = ppo_math.policy_loss(new, old, torch.tensor([1.0, -1.0, -1.0, 2.0]), 0.2)
    torch.testing.assert_close(loss, torch.tensor([-1.2, 1.5, 0.8, -2.2]))
    assert clipped.tolist() == [True, False, True, False]


def test_value_loss_takes_the_larger():
    loss, clipped = ppo_math.value_loss(torch.tensor([1.0, 0.1]), torch.zeros(2), torch.ones(2), 0.2)
    torch.testing.assert_close(loss, torch.tensor([0.5 * 0.8**2, 0.5 * 0.9**2]))
    assert clipped.tolist() == [True, False]


def test_a_value_within_the_range_is_not_clipped_by_rounding():
    generator = torch.Generator().manual_seed(0)
    old, returns = torch.randn(2, 1000, generator=generator)
    values = old + 0.19 * (2 * torch.rand(1000, generator=generator) - 1)
    assert not ppo_math.value_loss(values, old, returns, 0.2)[1].any()


def test_kl_estimators_agree_with_the_exact_divergence():
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.5, 0.3])
    exact = (p * (p / q).log()).sum()
    torch.testing.assert_close((p * ppo_math.kl_k1(p.log(), q.log())).sum(), exact)
    torch.testing.assert_close((p * ppo_math.kl_k3(p.log(), q.log())).sum(), exact)
    assert (ppo_math.kl_k3(p.log(), q.log()) >= 0).all()


def test_explained_variance():
    mask, returns = torch.ones(1, 4, dtype=torch.bool), torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert ppo_math.explained_variance(returns, returns, mask) == 1
    assert ppo_math.explained_variance(torch.zeros(1, 4), returns, mask) == 0
    assert math.isnan(ppo_math.explained_variance(returns, torch.ones(1, 4), mask))


def test_kl_controller():
    adaptive = ppo_math.KLController(0.1, target=6.0, horizon=1000)
    adaptive.update(kl=60.0, responses=100)  # the error 9 is cut to 0.2
    assert adaptive.coef == pytest.approx(0.1 * 1.02)
    adaptive.update(kl=5.4, responses=100)
    assert adaptive.coef == pytest.approx(0.1 * 1.02 * 0.99)
    fixed = ppo_math.KLController(0.1)
    fixed.update(kl=60.0, responses=100)
    assert fixed.coef == 0.1


CONFIG = PPOConfig(batch_size=4, generations=2, value_window=2)
MASK = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=torch.bool)
REWARDS = torch.tensor([[0.0, -0.5, 3.5], [0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])


def test_leave_one_out_by_hand():
    totals = torch.tensor([3.0, 1.0, 2.0, 0.0, 0.0, 6.0])
    # Of the first prompt: 3 - (1 + 2) / 2, 1 - (3 + 2) / 2, 2 - (3 + 1) / 2.
    torch.testing.assert_close(ppo_math.leave_one_out(totals, 3), torch.tensor([1.5, -1.5, 0.0, -3.0, -3.0, 6.0]))


def test_residual_returns_by_hand():
    # Totals 3, 1 | 2, 0; residuals 2, -2 | 2, -2, whose standard deviation is sqrt(16 / 3).
    # First response: 2 in all, of which -0.5 was spent on its second token; what comes after that is 2.5.
    expected = torch.tensor([[2.0, 2.0, 2.5], [-2.0, -2.0, 0.0], [2.0, 0.0, 0.0], [-2.0, -2.0, -2.0]])
    returns = ppo_math.residual_returns(REWARDS, MASK, 2)
    torch.testing.assert_close(returns, expected / math.sqrt(16 / 3))
    torch.testing.assert_close(ppo_math.residual_returns(100 * REWARDS, MASK, 2), returns)


def test_the_critic_has_to_explain_something_over_the_last_steps():
    assert not ppo_math.critic_helps([], 2) and not ppo_math.critic_helps([0.5], 2)
    assert ppo_math.critic_helps([-9.0, 0.5, -0.4], 2)
    assert not ppo_math.critic_helps([9.0, 0.4, -0.5], 2) and not ppo_math.critic_helps([0.4, math.nan], 2)


@pytest.mark.parametrize("earlier, used", [([], 0), ([{"value/explained_variance": 0.5}], 1)])
def test_the_critic_is_switched_on_and_off(earlier, used):
    returns = ppo_math.residual_returns(REWARDS, MASK, 2)
    values = 0.5 * returns  # explains 1 - 0.25 of the variance
    advantages, targets, columns = ppo_math.estimate(CONFIG, REWARDS, values, MASK, earlier)
    torch.testing.assert_close(targets, returns)
    torch.testing.assert_close(advantages, ppo_math.masked_whiten(returns - used * values, MASK))
    assert columns == {"value/explained_variance": pytest.approx(0.75), "value/used": used}
    against = [{"value/explained_variance": -2.0}]
    assert ppo_math.estimate(CONFIG, REWARDS, values, MASK, against)[2]["value/used"] == 0
