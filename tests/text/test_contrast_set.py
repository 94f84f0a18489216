"""The contrast set: hand-written pairs, the siblings of one source in one part."""

from hashlib import sha256
from pathlib import Path

import pandas as pd

PAIRS = pd.read_csv(Path(__file__).parents[1] / "fixtures" / "contrast_set.csv")


def part_of(source: str) -> str:
    """Parity of byte 25 of the hash: of the 32 bytes, the one that balances the types best."""
    return ("tune", "report")[sha256(source.encode()).digest()[25] % 2]


def test_every_source_lies_in_the_part_of_its_hash() -> None:
    assert PAIRS["part"].tolist() == [part_of(source) for source in PAIRS["source"]]


def test_pairs_are_complete_and_unique() -> None:
    assert len(PAIRS) >= 240
    assert PAIRS.notna().all(axis=None)
    assert PAIRS["id"].is_unique
    assert not PAIRS.duplicated(["source", "rewrite"]).any()
    assert (PAIRS["source"] != PAIRS["rewrite"]).all()


def test_each_type_has_both_labels_in_both_parts() -> None:
    counts = PAIRS.groupby(["type", "part", "label"]).size()
    assert len(counts) == 10 * 2 * 2
    assert counts.min() >= 7
    labels = PAIRS.groupby("part")["label"].value_counts(normalize=True)
    assert labels.between(0.45, 0.55).all()
