"""Pretrained models and devices: what every later package computes with.

In: packages that carry weights (all-MiniLM-L6-v2, WordLlama), checked by SHA-256. Out: their folders or vectors.
Used by all notebooks from 02 on.
"""
