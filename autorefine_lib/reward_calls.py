"""Calling the reward functions of a trainer and checking what comes back.

A reward is a plain function `reward(prompts, completions, **columns) -> list[float | None]`, the signature of TRL's
GRPO and RLOO trainers; None means "does not apply to this row". It may be `async`.
"""

import asyncio
import inspect
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from autorefine_lib.errors import InputError

Reward = Callable[..., list[float | None]]


@dataclass(frozen=True)
class RewardResult:
    """Rewards of one batch."""

    total: np.ndarray
    """`[batch]`, the weighted sum over the functions that apply to the row."""
    parts: dict[str, np.ndarray]
    """Each function's own rewards by its name, `[batch]`, NaN where it does not apply."""
    metrics: dict[str, float]
    """What the functions passed to `log_metric`, averaged over the batch."""

    def log_row(self) -> dict[str, float]:
        """Log columns: mean and standard deviation of each function, and the metrics."""
        row = {}
        for name, values in self.parts.items():
            applying = values[~np.isnan(values)]
            row[f"rewards/{name}/mean"] = float(applying.mean()) if len(applying) else math.nan
            row[f"rewards/{name}/std"] = float(applying.std(ddof=1)) if len(applying) > 1 else math.nan
        return row | self.metrics


def names(rewards: list[Reward]) -> list[str]:
    """The function names, which label the log columns; InputError when two are equal."""
    found = [getattr(reward, "__name__", type(reward).__name__) for reward in rewards]
    if len(set(found)) < len(found):
        raise InputError(f"reward functions need different names, got {found}; rename one (its __name__)")
    return found


def call_rewards(
    rewards: list[Reward], weights: list[float], prompts: list[str], completions: list[str], columns: dict[str, list]
) -> RewardResult:
    """Call every function once for the batch, with all `columns` it accepts and `log_metric(name, value)`.

    Raises:
        RuntimeError: a function raised; names the prompt when one row alone reproduces it.
        InputError: wrong length, NaN, infinity, not a number, or None from every function for a row.
    """
    logged: dict[str, list[float]] = {}

    def log_metric(name: str, value: float) -> None:
        logged.setdefault(name, []).append(float(value))

    parts = {}
    for name, reward in zip(names(rewards), rewards, strict=True):
        try:
            values = run(reward, prompts=prompts, completions=completions, log_metric=log_metric, **columns)
        except Exception as error:
            culprit = find_culprit(reward, prompts, completions, columns, error)
            raise RuntimeError(f"reward {name!r} raised {type(error).__name__}: {error}; {culprit}") from error
        parts[name] = check(name, values, prompts)
    table = np.stack(list(parts.values()))
    for row in np.flatnonzero(np.isnan(table).all(0)):
        raise InputError(f"every reward function returned None for the prompt {prompts[row][:80]!r}; one must apply")
    total = np.nansum(table * np.asarray(weights)[:, None], axis=0)
    return RewardResult(total, parts, {name: float(np.mean(values)) for name, values in logged.items()})


def run(reward: Reward, **arguments) -> list[float | None]:
    """Call the function with the arguments that it names, or with all if it takes `**columns`.

    An `async` one is waited for on a thread, because in a notebook this thread's event loop is already running.
    """
    parameters = inspect.signature(reward).parameters
    if all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        arguments = {name: value for name, value in arguments.items() if name in parameters}
    values = reward(**arguments)
    if not inspect.isawaitable(values):
        return values

    async def wait():
        return await values

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, wait()).result()


def find_culprit(reward: Reward, prompts: list[str], completions: list[str], columns: dict, error: Exception) -> str:
    """A phrase naming the first prompt that raises the same error when it is rewarded alone."""
    for row, prompt in enumerate(prompts):
        one = {"prompts": [prompt], "completions": [completions[row]]} | {k: [v[row]] for k, v in columns.items()}
        try:
            run(reward, log_metric=lambda name, value: None, **one)
        except type(error):
            return f"prompt {prompt[:80]!r}, completion {completions[row][:80]!r}"
        except Exception:  # alone it fails in another way: a batch of one is not what the function expects
            break
    return f"no single row reproduces it, the batch starts with the prompt {prompts[0][:80]!r}"


def check(name: str, values: list[float | None], prompts: list[str]) -> np.ndarray:
    """The rewards of one function as floats, None as NaN; InputError if they are not one finite number per prompt."""
    if len(values) != len(prompts):
        raise InputError(
            f"reward {name!r} returned {len(values)} values for {len(prompts)} prompts; return one per prompt"
        )
    result = np.full(len(prompts), np.nan)
    for row, value in enumerate(values):
        if value is None:
            continue
        try:
            result[row] = float(value)
        except (TypeError, ValueError):
            result[row] = math.inf
        if not math.isfinite(result[row]):
            raise InputError(
                f"reward {name!r} returned {value!r} for the prompt {prompts[row][:80]!r}; "
                "allowed: a finite number or None"
            )
    return result
