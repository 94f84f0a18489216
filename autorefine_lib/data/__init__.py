"""Jobs and candidates: from the embedded corpus, the Hub or your files to two checked tables.

In: names of sources or files. Out: `jobs` (job_id, title, text, occupation, split) and `candidates` (candidate_id,
text, occupation, and a column for each attribute). Used by notebook 01.
"""
