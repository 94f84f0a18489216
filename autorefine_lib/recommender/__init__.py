"""Recommenders: rank the candidates for an ad.

In: ad texts. Out: `rank(ads) -> scores`, float [ads, candidates], higher is better. Your own function fits in here.
Used by notebooks 02 to 09; 08 compares several.
"""
