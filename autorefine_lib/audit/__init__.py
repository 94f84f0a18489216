"""`autorefine audit`: selection and impact ratios of any ranking, with nothing rewritten and nothing trained.

In: ads, candidates and scores (or a recommender). Out: numbers by group, findings, a page. Used by notebook my_data.
"""
