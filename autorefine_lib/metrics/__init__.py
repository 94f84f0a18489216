"""What a ranking does to groups, how good it is, and how certain both numbers are.

In: scores [ads, candidates] and the candidates' groups. Out: selection rates, impact ratios, MRR, NDCG, who is
selected, intervals, p-values. Used by notebooks 02, 08 and 09.
"""
