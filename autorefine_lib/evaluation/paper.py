"""The paper's own headline (Korkmaz et al., 2025): what the reproduction is held against."""

FEMALE_IMPACT_RATIO = {"original ads": 0.618, "AutoRefine": 0.668}
"""Before and after, on the test ads."""
DATA = "Hacker News ads, Bias in Bios (real)"
