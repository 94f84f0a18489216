"""One line a notebook on the terminal: what runs, for how long, and how long it should take."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from autorefine_lib.files import clock


class Lines:
    """Prints to standard error; on a terminal the running line counts on, elsewhere each event is one line."""

    def __init__(self, total: int):
        self.total, self.number = total, 0
        self.live = sys.stderr.isatty()
        self.stop = threading.Event()
        self.thread: threading.Thread | None = None

    def _line(self, name: str, text: str, end: str = "\n") -> None:
        start = "\r\033[K" if self.live else ""
        print(f"{start}[{self.number}/{self.total}] {name:<22}{text}", end=end, file=sys.stderr, flush=True)

    def skipped(self, name: str) -> None:
        self.number += 1
        self._line(name, "unchanged, kept")

    def started(self, name: str, expected: float | None) -> None:
        self.number += 1
        about = f", about {clock(expected)} expected" if expected else ""
        if not self.live:
            self._line(name, f"running{about}")
            return
        self.stop.clear()
        began = time.monotonic()

        def count() -> None:
            while not self.stop.wait(0.5):
                self._line(name, f"{clock(time.monotonic() - began)}{about}", end="")

        self.thread = threading.Thread(target=count, daemon=True)
        self.thread.start()

    def finished(self, name: str, seconds: float) -> None:
        self.halt()
        self._line(name, f"done in {clock(seconds)}")

    def halt(self) -> None:
        """End the running line."""
        self.stop.set()
        if self.thread:
            self.thread.join()
            self.thread = None


@contextmanager
def show(total: int) -> Iterator[Lines]:
    """Lines for `total` notebooks; the running line ends with the block, whatever happens in it."""
    lines = Lines(total)
    try:
        yield lines
    finally:
        if lines.thread:
            lines.halt()
            print(file=sys.stderr)
