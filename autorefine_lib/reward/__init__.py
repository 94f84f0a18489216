"""The reward: what a rewrite changes in the ranking, less what it costs in quality and meaning.

In: completions with job and position. Out: one number each, `reward(prompts, completions, **columns) -> list[float]`.
Used by notebooks 04 to 07, and by 08 for attribution.
"""
