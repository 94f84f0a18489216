"""The reward: how far a rewrite moves the groups' selection towards parity, less what it costs in ranking quality.

In: completions with job and position. Out: one number each, `reward(prompts, completions, **columns) -> list[float]`.
Used by notebooks 04 to 07, and by 08 for attribution.
"""
