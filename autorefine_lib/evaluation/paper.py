"""The paper's own headline (Korkmaz et al., 2025): what the reproduction is held against."""

FEMALE_IMPACT_RATIO = {"original ads": 0.618, "AutoRefine": 0.668}
"""Before and after, on the test ads."""
EFFECT = 0.05
"""The change between the two."""
DATA = "Hacker News ads, Bias in Bios (real)"
