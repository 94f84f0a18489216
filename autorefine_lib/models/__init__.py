"""Pretrained models that come as Python packages: every later package computes with them.

In: packages that carry weights (all-MiniLM-L6-v2, paraphrase-MiniLM-L3-v2, WordLlama, spaCy). Out: their folders,
vectors or parses.
Used by all notebooks from 02 on.
"""
