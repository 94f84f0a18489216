"""What can be read off a text without a language model, and what a rewrite may not do to it.

In: an ad or a sentence. Out: its parts, counts, or the reasons why a rewrite is refused.
Used by all notebooks; 07 attacks the guards.
"""
