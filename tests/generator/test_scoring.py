"""Log-probabilities, entropies and their gradients against autograd of the formulas."""

import torch

from autorefine_lib.generator.scoring import token_scores


def logits_and_tokens():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    return logits, torch.randint(7, (2, 3), generator=generator)


def test_token_scores_equal_the_formulas():
    logits, tokens = logits_and_tokens()
    logprobs, entropy = token_scores(logits, tokens)
    expected = torch.distributions.Categorical(logits=logits)
    torch.testing.assert_close(logprobs, expected.log_prob(tokens))
    torch.testing.assert_close(entropy, expected.entropy())


def test_token_scores_have_the_right_gradients():
    logits, tokens = logits_and_tokens()
    assert torch.autograd.gradcheck(lambda x: token_scores(x, tokens)[0], (logits,))
    assert not token_scores(logits, tokens)[1].requires_grad
