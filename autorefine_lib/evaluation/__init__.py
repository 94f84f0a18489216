"""What became of the test ads: each method's numbers, job by job, and the questions that are asked about them.

In: rewritten ads. Out: saved methods, learning curves, transfer, attribution, attacks, certainty, power; the
analysis of an A/B test and of blind ratings. Used by notebooks 02 to 13, and by `autorefine rewrite --candidates`.
"""
