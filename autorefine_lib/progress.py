"""One line a notebook on standard error: what runs, for how long, and how long it should take."""

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task
from rich.text import Text

from autorefine_lib.files import clock


class _Line(ProgressColumn):
    """What happened to a notebook; while it runs, the time that it has taken so far."""

    def render(self, task: Task) -> Text:
        """The line of `task`, whose field `done` is empty while it runs."""
        return Text(task.description + (task.fields["done"] or clock(task.elapsed or 0) + task.fields["about"]))


class NotebookLines(Progress):
    """Lines for `total` notebooks, as a context manager.

    On a terminal the line of the running notebook counts on. Elsewhere each event is a line of its own.
    """

    def __init__(self, total: int) -> None:
        console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        super().__init__(_Line(), console=console, refresh_per_second=2, disable=not console.is_terminal)
        self.total = total

    def begin(self, name: str, expected: float | None) -> None:
        """Begin the line of a notebook that should take `expected` seconds; None where nobody knows."""
        about = f", about {clock(expected)} expected" if expected else ""
        self._add(name, about)
        self._print(f"running{about}")

    def skip(self, name: str) -> None:
        """Say that a notebook need not run."""
        self._add(name, "")
        self.finish("unchanged, kept")

    def finish(self, done: str) -> None:
        """End the last line with what became of its notebook."""
        self.update(self.tasks[-1].id, done=done)
        self._print(done)

    def _add(self, name: str, about: str) -> None:
        self.add_task(f"[{len(self.tasks) + 1}/{self.total}] {name:<26}", total=None, done="", about=about)

    def _print(self, state: str) -> None:
        if self.disable:
            self.console.print(self.tasks[-1].description + state)
