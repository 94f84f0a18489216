"""What became of the test ads: each method's numbers, job by job, and the questions that are asked about them.

In: rewritten ads. Out: saved methods, learning curves, transfer, attribution, attacks, certainty, power.
Used by notebooks 02 to 09, and by `autorefine rewrite --candidates`.
"""
