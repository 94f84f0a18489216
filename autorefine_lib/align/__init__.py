"""Alignment: supervised training that teaches the generator to rewrite at all, in no direction.

In: a generator and pairs of sentences. Out: the same generator, trained. Used by notebook 03.
"""
