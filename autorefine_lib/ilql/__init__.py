"""ILQL (Snell et al., 2022), the paper's optimiser: values learned offline that perturb the generator's scores.

In: rewrites sampled once, with their rewards. Out: heads beside the generator. Used by notebook 05.
"""
