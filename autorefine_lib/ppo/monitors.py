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


@dataclass(frozen=True)
class MonitorConfig:
    """Thresholds. With the defaults a healthy run of the embedded profile raises no alarm."""

    window: int = 5
    """Steps in the first window and in the recent one; before there are both, nothing is told but a KL too high."""
    quality_loss: float = 0.01
    """Rise of the MRR or the NDCG that one rewritten text loses; an ad has about three such texts."""
    patience: int = 12
    """Steps after which parity (lowest over highest exposure of a group) must have moved."""
    parity_gain: float = 0.005
    """By how much the parity gained over the original ads must then exceed that of the first window; in the embedded
    profile it does by 0.01 to 0.02 in seeds that learn, and does not in one that stands still."""
    parity_enough: float = 0.98
    """Parity from which on there is little left to gain."""
    group_shift: float = 0.02
    """Most by which the log of a group's exposure over the others' may move away from 0, against the original ads; in
    the embedded profile the watched groups of race and age move by 0.005 at most."""
    kl_per_token: float = 0.5
    """KL to the reference, in nats a token."""
    entropy_kept: float = 0.4
    """Share of the first window's entropy that must be left."""
    length_drift: float = 0.3
    """Relative change of the mean response length, either way."""
    repetition: float = 0.1
    """Rise of the share of repeated 3-grams in a response."""
    changed_kept: float = 2 / 3
    """Share of the first window's share of changed completions that must be left."""
    distinct_kept: float = 0.6
    """Share of the first window's share of distinct responses that must be left."""


@dataclass(frozen=True)
class Alarm:
    """One warning of one monitor."""

    step: int
    """Of the log row at which it fired."""
    monitor: str
    """Short name, the key in `MONITORS`."""
    message: str
    """One line: what was seen, the threshold, what to do."""


def check(log_rows: Rows, config: MonitorConfig | None = None) -> list[Alarm]:
    """The alarms that are new at the last row.

    A monitor fires once per episode of trouble: not again before its condition was false for a whole window.
    """
    config = config or MonitorConfig()
    alarms = []
    for name, monitor in MONITORS.items():
        message = _message(monitor, log_rows, config)
        earlier = (log_rows[:-back] for back in range(1, min(config.window, len(log_rows) - 1) + 1))
        if message and not any(_message(monitor, rows, config) for rows in earlier):
            alarms.append(Alarm(int(log_rows[-1]["step"]), name, message))
    return alarms


def history(log: pd.DataFrame, config: MonitorConfig | None = None) -> pd.DataFrame:
    """Every alarm of a log, columns step, monitor and message; of several runs by their column `seed`, with it."""
    runs = log.groupby("seed", sort=False) if "seed" in log else [(None, log)]
    found = []
    for seed, run in runs:
        rows = run.to_dict("records")
        for count in range(1, len(rows) + 1):
            found += [{"seed": seed, **vars(alarm)} for alarm in check(rows[:count], config)]
    columns = ["seed", "step", "monitor", "message"]
    return pd.DataFrame(found, columns=columns if "seed" in log else columns[1:])


def ranking_quality(rows: Rows, config: MonitorConfig) -> str | None:
    """MRR or NDCG falls."""
    for name in ("mrr", "ndcg"):
        first, recent = _means(rows, f"reward/{name}_loss", config)
        if recent - first > config.quality_loss:
            return (
                f"a rewrite loses {recent:.3f} of {name.upper()}, {first:.3f} in the first steps (limit: "
                f"{config.quality_loss} more); raise w_quality, or lower learning_rate"
            )
    return None


def parity(rows: Rows, config: MonitorConfig) -> str | None:
    """Diversity stands still: the rewrites gain no more parity over their originals than in the first steps.

    Only a batch's own originals are a fair measure: by chance of its ads, a batch starts near parity or far from it.
    """
    if len(rows) < config.patience:
        return None
    (now, recent), (_, first) = (_parity_gain(part) for part in (rows[-config.window :], rows[: config.window]))
    if recent - first < config.parity_gain and now < config.parity_enough:
        return (
            f"the rewrites gain {recent:.3f} of parity over the original ads, {first:.3f} in the first steps (wanted: "
            f"{config.parity_gain} more after {config.patience} steps); raise learning_rate or lower kl_coef, and see "
            f"whether rewrites are made at all (reward/changed, reward/refused)"
        )
    return None


def unaimed_group(rows: Rows, config: MonitorConfig) -> str | None:
    """A group moves that nobody aimed at: its exposure leaves the others' farther behind, above or below.

    The groups of the watched attributes are looked at too. Movements that are aimed at are no alarm: a group that is
    behind catching up, one that is ahead coming down.
    """
    recent = rows[-config.window :]
    watched = [name.split("/")[2] for name in rows[-1] if name.startswith("reward/watched/")]
    for kind, attribute in [("exposure", ""), *(("watched", f"/{name}") for name in dict.fromkeys(watched))]:
        after = exposures(recent, f"reward/{kind}{attribute}/")
        before = exposures(recent, f"reward/{kind}_original{attribute}/")
        for group in after:
            label = f"{attribute[1:]} {group}".strip()
            new, old = _against_the_others(after, group), _against_the_others(before, group)
            if abs(math.log(new)) - abs(math.log(old)) > config.group_shift:
                return (
                    f"exposure of {label!r} is {new:.3f} times that of the other groups, {old:.3f} for the original "
                    f"ads, farther from 1 (limit: {config.group_shift} in the logarithm); look at the samples for "
                    f"wording about this group, lower learning_rate or stop earlier"
                )
    return None


def kl(rows: Rows, config: MonitorConfig) -> str | None:
    """The policy runs away from its reference."""
    _, nats = _means(rows, "kl/response", config)
    _, length = _means(rows, "response/length", config)
    if nats > config.kl_per_token * length:
        return (
            f"KL to the reference is {nats / length:.2f} nats a token (limit: {config.kl_per_token}); raise kl_coef, "
            f"set kl_target or lower learning_rate, and read the samples"
        )
    return None


def entropy(rows: Rows, config: MonitorConfig) -> str | None:
    """The policy stops exploring."""
    first, recent = _means(rows, "policy/entropy", config)
    if recent < config.entropy_kept * first:
        return (
            f"entropy is {recent:.3f} nats a token, {first:.3f} in the first steps (limit: {config.entropy_kept:.0%} "
            f"of it); raise kl_coef or temperature, or lower learning_rate"
        )
    return None


def length(rows: Rows, config: MonitorConfig) -> str | None:
    """Responses grow or shrink, whatever the reward meant."""
    first, recent = _means(rows, "response/length", config)
    if abs(recent - first) > config.length_drift * first:
        return (
            f"responses have {recent:.1f} tokens, {first:.1f} in the first steps (limit: {config.length_drift:.0%} "
            f"either way); see whether the reward pays for length, or raise kl_coef"
        )
    return None


def repeats(rows: Rows, config: MonitorConfig) -> str | None:
    """A response says the same thing again and again."""
    first, recent = _means(rows, "response/repetition", config)
    if recent - first > config.repetition:
        return (
            f"{recent:.0%} of a response's 3-grams are repeats, {first:.0%} in the first steps (limit: "
            f"{config.repetition:.0%} more); raise kl_coef, or let the reward take something off for repetition"
        )
    return None


def sameness(rows: Rows, config: MonitorConfig) -> str | None:
    """Different prompts get the same response."""
    first, recent = _means(rows, "response/distinct", config)
    if recent < config.distinct_kept * first:
        return (
            f"{recent:.0%} of the responses are distinct, {first:.0%} in the first steps (limit: "
            f"{config.distinct_kept:.0%} of it); raise kl_coef, and see which response the reward pays for"
        )
    return None


def copying(rows: Rows, config: MonitorConfig) -> str | None:
    """The policy gives up rewriting: a copy risks no refusal and costs no KL."""
    first, recent = _means(rows, "reward/changed", config)
    if recent < config.changed_kept * first:
        return (
            f"{recent:.0%} of the completions change their text, {first:.0%} in the first steps (limit: "
            f"{config.changed_kept:.0%} of it); lower the fee for refusals or kl_coef, or raise kl_target"
        )
    return None


def critic(rows: Rows, config: MonitorConfig) -> str | None:
    """The value head is of no use: the steps go without it."""
    _, used = _means(rows, "value/used", config)
    _, explained = _means(rows, "value/explained_variance", config)
    if used == 0:
        return (
            f"the value head explains {explained:.2f} of the returns' variance (wanted: above 0), so the steps use the "
            f"leave-one-out baseline alone; raise value_learning_rate or give it more steps"
        )
    return None


MONITORS: dict[str, Callable[[Rows, MonitorConfig], str | None]] = {
    "ranking quality": ranking_quality,
    "parity": parity,
    "group": unaimed_group,
    "KL": kl,
    "entropy": entropy,
    "length": length,
    "repetition": repeats,
    "sameness": sameness,
    "copying": copying,
    "critic": critic,
}
"""By the short name that stands in the log, the table and the figure."""


def exposures(rows: Rows, prefix: str) -> dict[str, float]:
    """Mean over rows of each column that starts with `prefix`, by the rest of its name, where it is known."""
    columns = [name for name in rows[-1] if name.startswith(prefix)]
    means = {name.removeprefix(prefix): _mean(rows, name) for name in columns}
    return {name: value for name, value in means.items() if not math.isnan(value)}


def _message(monitor: Callable, rows: Rows, config: MonitorConfig) -> str | None:
    windows = 1 if monitor is kl else 2  # a KL is too high by itself, the others by comparison with the first window
    return monitor(rows, config) if len(rows) >= windows * config.window else None


def _means(rows: Rows, column: str, config: MonitorConfig) -> tuple[float, float]:
    """Of the first and of the recent window; NaN, for which every comparison is false, where there is no value."""
    return _mean(rows[: config.window], column), _mean(rows[-config.window :], column)


def _mean(rows: Rows, column: str) -> float:
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
