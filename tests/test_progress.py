"""The lines of a run: one an event in a file, one a notebook on a terminal, where the running one counts on."""

import os
import pty
import subprocess
import sys

import pytest

from autorefine_lib.progress import NotebookLines

SCRIPT = """
import time
from autorefine_lib.progress import NotebookLines

with NotebookLines(3) as lines:
    lines.skip("01_first")
    lines.begin("02_second", 65.0)
    time.sleep(1.6)
    lines.finish("done in 0:01")
    lines.begin("03_third", None)
    raise SystemExit(5)
"""


def test_without_a_terminal_each_event_is_a_line(capfd: pytest.CaptureFixture):
    with NotebookLines(2) as lines:
        lines.skip("01_first[a]")
        lines.begin("02_second", 125.0)
        lines.finish("done in 1:01")
    out, error = capfd.readouterr()
    assert out == "" and error.splitlines() == [
        "[1/2] 01_first[a]               unchanged, kept",
        "[2/2] 02_second                 running, about 2:05 expected",
        "[2/2] 02_second                 done in 1:01",
    ]


def test_on_a_terminal_the_running_line_counts_on_and_the_last_one_stays():
    ours, theirs = pty.openpty()
    done = subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 1000)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    text = seen.decode()
    assert done.wait() == 5, "an error passes through"
    assert "0:00, about 1:05 expected" in text and "0:01, about 1:05 expected" in text
    assert text.rindex("[2/3] 02_second                 done in 0:01") < text.rindex(
        "[3/3] 03_third                  0:00"
    )
    assert "running" not in text and text.endswith("\n\x1b[?25h"), "the cursor is back, below the lines"
