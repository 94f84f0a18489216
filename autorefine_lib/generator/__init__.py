"""The generator: a language model that rewrites ads.

In: an ad. Out: sentences to rewrite, prompts, sampled completions with their log-probabilities, and the finished ad.
Used by notebooks 02 (placebos) and 03 to 06.
"""
