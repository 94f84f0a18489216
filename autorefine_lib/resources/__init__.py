"""The word lists, templates, settings and weights that come with the library, and the one function that reads them.

In: the name of a JSON file of this folder. Out: what it holds. Used by all packages; each list says in "about" where it
comes from.
"""

import json
from functools import cache
from pathlib import Path


@cache
def load(name: str) -> dict:
    """The content of `<name>.json`. It is read once and shared: nobody may change it in place."""
    return json.loads(Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))
