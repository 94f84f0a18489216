"""What goes wrong in a fine-tuning and shows in its log, each with a threshold and what to do about it.

The first three are the failures that Korkmaz et al. (2025) name for AutoRefine: MRR or NDCG falling, diversity standing
still, a group moving that nobody aimed at. The others are those of any reinforcement learning of text: KL blow-up,
entropy collapse, length drift, repetition, one answer to everything. A monitor looks at the log rows so far, compares
the last steps with the first ones (or, where every batch carries them along, with the original ads), and keeps silent
where the log lacks its columns.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

Rows = Sequence[dict[str, float]]
"""Log rows, one a step, oldest first."""

# Rules of thumb, which no measurement has set; what they raised in a published run stands in its tables/alarms.csv.
WINDOW = 5
"""Steps in the first window and in the recent one; before there are both, nothing is told but a KL too high."""
PATIENCE = 12
"""Steps after which parity (lowest over highest exposure of a group) must have moved."""
PARITY_GAIN = 0.005
"""By how much the parity gained over the original ads must then exceed that of the first window."""
PARITY_ENOUGH = 0.98
"""Parity from which on there is little left to gain."""
GROUP_SHIFT = 0.02
"""Most by which the log of a group's exposure over the others' may move away from 0, against the original ads."""
KL_PER_TOKEN = 0.5
"""KL to the reference, in nats a token."""


@dataclass(frozen=True)
class Alarm:
    """One warning of one monitor."""

    step: int
    """Of the log row at which it fired."""
    monitor: str
    """Short name, the key in `MONITORS`."""
    message: str
    """One line: what was seen, the threshold, what to do."""


def check(log_rows: Rows) -> list[Alarm]:
    """The alarms that are new at the last row.

    A monitor fires once per episode of trouble: not again before its condition was false for a whole window.
    """
    alarms = []
    for name, monitor in MONITORS.items():
        message = _message(monitor, log_rows)
        earlier = (log_rows[:-back] for back in range(1, min(WINDOW, len(log_rows) - 1) + 1))
        if message and not any(_message(monitor, rows) for rows in earlier):
            alarms.append(Alarm(int(log_rows[-1]["step"]), name, message))
    return alarms


def history(log: pd.DataFrame) -> pd.DataFrame:
    """Every alarm of a log, columns step, monitor and message; of several runs by their column `seed`, with it."""
    runs = log.groupby("seed", sort=False) if "seed" in log else [(None, log)]
    found = []
    for seed, run in runs:
        rows = run.to_dict("records")
        for count in range(1, len(rows) + 1):
            found += [{"seed": seed, **vars(alarm)} for alarm in check(rows[:count])]
    columns = ["seed", "step", "monitor", "message"]
    return pd.DataFrame(found, columns=columns if "seed" in log else columns[1:])


@dataclass(frozen=True)
class Drift:
    """A monitor of one column: its mean in the recent window against that in the first."""

    column: str
    """Of the log."""
    message: str
    """With places for {first}, {recent}, {lowest}, {highest} and {rise}."""
    lowest: float = 0.0
    """Least share of the first mean that must be left."""
    highest: float = math.inf
    """Most share of the first mean."""
    rise: float = math.inf
    """Most by which the mean may rise."""

    def __call__(self, rows: Rows) -> str | None:
        """The message, where something is wrong."""
        first, recent = _mean(rows[:WINDOW], self.column), _mean(rows[-WINDOW:], self.column)
        wrong = recent < self.lowest * first or recent > self.highest * first or recent - first > self.rise
        return self.message.format(first=first, recent=recent, **vars(self)) if wrong else None


def parity(rows: Rows) -> str | None:
    """Diversity stands still: the rewrites gain no more parity over their originals than in the first steps.

    Only a batch's own originals are a fair measure: by chance of its ads, a batch starts near parity or far from it.
    """
    if len(rows) < PATIENCE:
        return None
    (now, recent), (_, first) = (_parity_gain(part) for part in (rows[-WINDOW:], rows[:WINDOW]))
    if recent - first < PARITY_GAIN and now < PARITY_ENOUGH:
        return (
            f"the rewrites gain {recent:.3f} of parity over the original ads, {first:.3f} in the first steps (wanted: "
            f"{PARITY_GAIN} more after {PATIENCE} steps); raise learning_rate or lower kl_coef, and see whether "
            "rewrites are made at all (reward/changed, reward/refused)"
        )
    return None


def unaimed_group(rows: Rows) -> str | None:
    """A group moves that nobody aimed at: its exposure leaves the others' farther behind, above or below.

    The groups of the watched attributes are looked at too. Movements that are aimed at are no alarm: a group that is
    behind catching up, one that is ahead coming down.
    """
    recent = rows[-WINDOW:]
    watched = [name.split("/")[2] for name in rows[-1] if name.startswith("reward/watched/")]
    for kind, attribute in [("exposure", ""), *(("watched", f"/{name}") for name in dict.fromkeys(watched))]:
        after = exposures(recent, f"reward/{kind}{attribute}/")
        before = exposures(recent, f"reward/{kind}_original{attribute}/")
        for group in after:
            label = f"{attribute[1:]} {group}".strip()
            new, old = _against_the_others(after, group), _against_the_others(before, group)
            if abs(math.log(new)) - abs(math.log(old)) > GROUP_SHIFT:
                return (
                    f"exposure of {label!r} is {new:.3f} times that of the other groups, {old:.3f} for the original "
                    f"ads, farther from 1 (limit: {GROUP_SHIFT} in the logarithm); look at the samples for wording "
                    "about this group, lower learning_rate or stop earlier"
                )
    return None


def kl(rows: Rows) -> str | None:
    """The policy runs away from its reference."""
    nats, length = _mean(rows[-WINDOW:], "kl/response"), _mean(rows[-WINDOW:], "response/length")
    if nats > KL_PER_TOKEN * length:
        return (
            f"KL to the reference is {nats / length:.2f} nats a token (limit: {KL_PER_TOKEN}); raise kl_coef, set "
            "kl_target or lower learning_rate, and read the samples"
        )
    return None


def critic(rows: Rows) -> str | None:
    """The value head is of no use: the steps go without it."""
    if _mean(rows[-WINDOW:], "value/used") == 0:
        explained = _mean(rows[-WINDOW:], "value/explained_variance")
        return (
            f"the value head explains {explained:.2f} of the returns' variance (wanted: above 0), so the steps use the "
            "leave-one-out baseline alone; raise value_learning_rate or give it more steps"
        )
    return None


MONITORS: dict[str, Callable[[Rows], str | None]] = {
    "parity": parity,
    "group": unaimed_group,
    "KL": kl,
    # The ranking gets worse; an ad has about three texts that are rewritten one by one.
    "MRR": Drift("reward/mrr_loss", rise=0.01, message=
        "a rewrite loses {recent:.3f} of MRR, {first:.3f} in the first steps (limit: {rise} more); raise w_quality, or "
        "lower learning_rate",
    ),
    "NDCG": Drift("reward/ndcg_loss", rise=0.01, message=
        "a rewrite loses {recent:.3f} of NDCG, {first:.3f} in the first steps (limit: {rise} more); raise w_quality, "
        "or lower learning_rate",
    ),
    # The policy stops exploring.
    "entropy": Drift("policy/entropy", lowest=0.4, message=
        "entropy is {recent:.3f} nats a token, {first:.3f} in the first steps (limit: {lowest:.0%} of it); raise "
        "kl_coef or temperature, or lower learning_rate",
    ),
    # Responses grow or shrink, whatever the reward meant.
    "length": Drift("response/length", lowest=0.7, highest=1.3, message=
        "responses have {recent:.1f} tokens, {first:.1f} in the first steps (limit: {lowest:.0%} to {highest:.0%} of "
        "it); see whether the reward pays for length, or raise kl_coef",
    ),
    # A response says the same thing again and again.
    "repetition": Drift("response/repetition", rise=0.1, message=
        "{recent:.0%} of a response's 3-grams are repeats, {first:.0%} in the first steps (limit: {rise:.0%} more); "
        "raise kl_coef, or let the reward take something off for repetition",
    ),
    # Different prompts get the same response.
    "sameness": Drift("response/distinct", lowest=0.6, message=
        "{recent:.0%} of the responses are distinct, {first:.0%} in the first steps (limit: {lowest:.0%} of it); raise "
        "kl_coef, and see which response the reward pays for",
    ),
    # The policy gives up rewriting: a copy risks no refusal and costs no KL.
    "copying": Drift("reward/changed", lowest=2 / 3, message=
        "{recent:.0%} of the completions change their text, {first:.0%} in the first steps (limit: {lowest:.0%} of "
        "it); lower the fee for refusals or kl_coef, or raise kl_target",
    ),
    "critic": critic,
}  # fmt: skip
"""By the short name that stands in the log, the table and the figure."""


def exposures(rows: Rows, prefix: str) -> dict[str, float]:
    """Mean over rows of each column that starts with `prefix`, by the rest of its name, where it is known."""
    columns = [name for name in rows[-1] if name.startswith(prefix)]
    means = {name.removeprefix(prefix): _mean(rows, name) for name in columns}
    return {name: value for name, value in means.items() if not math.isnan(value)}


def _message(monitor: Callable[[Rows], str | None], rows: Rows) -> str | None:
    windows = 1 if monitor is kl else 2  # a KL is too high by itself, the others by comparison with the first window
    return monitor(rows) if len(rows) >= windows * WINDOW else None


def _mean(rows: Rows, column: str) -> float:
    """The mean of what is known; NaN, for which every comparison is false, where nothing is."""
    values = [row[column] for row in rows if not math.isnan(row.get(column, math.nan))]
    return sum(values) / len(values) if values else math.nan


def _parity_gain(rows: Rows) -> tuple[float, float]:
    """Lowest over highest exposure of a group over these steps, and what that is more than for the original ads."""
    after, before = exposures(rows, "reward/exposure/"), exposures(rows, "reward/exposure_original/")
    if len(after) < 2 or max(after.values()) == 0 or max(before.values(), default=0) == 0:
        return math.nan, math.nan
    parity, original = (min(of.values()) / max(of.values()) for of in (after, before))
    return parity, parity - original


def _against_the_others(exposure: dict[str, float], group: str) -> float:
    """A group's exposure over the mean of the other groups'; NaN where one of the two is 0 or unknown."""
    others = [value for name, value in exposure.items() if name != group]
    if not others or not sum(others) or not exposure.get(group):
        return math.nan
    return exposure[group] * len(others) / sum(others)
