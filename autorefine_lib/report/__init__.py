"""Tables, figures, pages, the playground and model cards.

In: saved methods. Out: CSV, Markdown, LaTeX, PNG, PDF and HTML under `reports/<run>/`. Used by notebooks 01 to 09,
my_data and playground.
"""
