"""`autorefine bench`: speed on this machine. Used by no notebook.

In: what to measure. Out: figures with machine, commit and versions.
"""
