"""What a training writes about itself: the log as CSV and to trackers, its alarms, and where the time went."""

import time
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from tqdm.auto import tqdm

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_csv
from autorefine_lib.generator.sampling import Samples
from autorefine_lib.metrics.text_metrics import repeated_share
from autorefine_lib.ppo import monitors


def trackers(report_to: str) -> list[str]:
    """The names in `report_to`, separated by commas; InputError for one that is unknown or not installed."""
    names = [name.strip() for name in report_to.split(",") if name.strip()]
    installed = [str(getattr(tracker, "value", tracker)) for tracker in get_available_trackers()]
    for name in names:
        if name not in installed:
            raise InputError(f"report_to: {name!r} is no installed tracker; allowed: {', '.join(installed)}")
    return names


class TrainingLog:
    """The rows of a run, one a step, and their alarms, in `folder` and in the trackers that `report_to` names.

    Raises:
        InputError: as `trackers`.
    """

    def __init__(self, folder: Path, report_to: str = "") -> None:
        self.folder, names = folder, trackers(report_to)
        # Of Accelerate its trackers alone are used.
        self.accelerator = Accelerator(cpu=True, log_with=names or None, project_dir=str(folder / "tensorboard"))
        self.rows: list[dict[str, float]] = []
        self.alarms = pd.DataFrame(columns=["step", "monitor", "message"])

    def start(self, rows: list[dict[str, float]], settings: dict[str, object]) -> None:
        """Go on from the `rows` of a checkpoint and open the trackers, where later rows are dropped."""
        self.rows = list(rows)
        self.alarms = monitors.history(pd.DataFrame(rows)) if rows else self.alarms
        # TensorBoard knows no None.
        settings = {name: "none" if value is None else value for name, value in settings.items()}
        self.accelerator.init_trackers("autorefine", settings, {"tensorboard": {"purge_step": len(rows) + 1}})

    def add(self, row: dict[str, float]) -> None:
        """Append a row, write it everywhere, and print the alarms that it raises."""
        self.rows.append(row)
        new = monitors.check(self.rows)
        self.alarms = pd.concat([self.alarms, pd.DataFrame(map(asdict, new), columns=self.alarms.columns)])
        write_csv(self.folder / "log.csv", pd.DataFrame(self.rows))
        for alarm in new:
            tqdm.write(f"step {alarm.step}, {alarm.monitor}: {alarm.message}")
        write_csv(self.folder / "alarms.csv", self.alarms)
        self.accelerator.log(row, step=row["step"])

    def close(self) -> None:
        """End the trackers' runs."""
        self.accelerator.end_training()


class Stopwatch:
    """Seconds per labelled phase."""

    def __init__(self) -> None:
        self.last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, phase: str) -> None:
        """The time since the last lap was spent in `phase`."""
        before, self.last = self.last, time.perf_counter()
        self.laps[f"seconds/{phase}"] = self.last - before

    def seconds(self) -> dict[str, float]:
        """Log columns; the phases add up to the step."""
        return self.laps | {"seconds/step": sum(self.laps.values())}


def describe_responses(samples: Samples) -> dict[str, float]:
    """Log columns about the sampled tokens alone."""
    responses = [tuple(ids) for ids in samples.responses()]
    return {
        "response/eos_rate": float(samples.finished.float().mean()),
        "response/length": float(samples.mask.sum(1).float().mean()),
        "response/repetition": sum(repeated_share(response, 3) for response in responses) / len(responses),
        "response/distinct": len(set(responses)) / len(responses),
    }
