"""The bench of the vector index on small pools, its table and its figure."""

import pandas as pd
import pytest

from autorefine_lib import index_bench
from autorefine_lib.errors import InputError


def test_rows_files_and_limit(tmp_path):
    result = index_bench.measure(largest=2000, repeats=1, out=tmp_path)
    table = pd.read_csv(tmp_path / "index_cost.csv")
    assert sorted(table["pool"].unique()) == [1000, 2000] and len(table) == len(result["pools"])
    assert {"command", "commit", "device"} <= set(table.columns)
    assert (table.loc[table["vectors"] == "random", "recall"] == 1).all()
    assert (table.loc[table["vectors"] == "clustered", "recall"] >= 0.9).all()
    assert (table["batch_seconds"] > 0).all() and result["limit_seconds"] > 0
    large = table[(table["pool"] == 2000) & (table["method"] == "exact, float32 first")].iloc[0]
    assert large["vectors_mib"] == pytest.approx(2000 * 384 * 4 / 2**20, abs=0.1) and large["index_mib"] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"index_cost.csv", "index_cost.png", "index_cost.pdf"}


def test_mistakes_end_in_one_line():
    for options in ({"largest": 10}, {"largest": 1000, "repeats": 0}):
        with pytest.raises(InputError, match="at least 1,000 and 1"):
            index_bench.measure(**options)
