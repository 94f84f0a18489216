"""PPO (Schulman et al., 2017) for text generators.

In: a model, prompts, and any reward function. Out: the model trained in place, a log, alarms, checkpoints.
Used by notebooks 04 and 07.
"""
