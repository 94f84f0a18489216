"""The other optimisers on the same reward: best of N, reward-weighted fine-tuning, RLOO and GRPO by TRL.

In: a generator and the judge of the training ads. Out: the generator trained in place, or the best of its rewrites.
Used by notebook 06.
"""
