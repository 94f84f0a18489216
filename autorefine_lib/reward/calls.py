"""Calling the reward functions of a trainer and checking what comes back.

A reward is a plain function `reward(prompts, completions, **columns) -> list[float | None]`, the signature of TRL's
GRPO and RLOO trainers; None means "does not apply to this row". It may be `async`.
"""

import asyncio
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from autorefine_lib.errors import InputError

Reward = Callable[..., Sequence[float | None]]


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


def function_names(rewards: list[Reward]) -> list[str]:
    """The function names, which label the log columns; InputError for none, no function, or two of one name."""
    if not rewards:
        raise InputError("there is no reward function; give at least one")
    for reward in rewards:
        if not callable(reward):
            raise InputError(f"reward {reward!r} is not a function; give reward(prompts, completions, **columns)")
    found = [getattr(reward, "__name__", type(reward).__name__) for reward in rewards]
    if len(set(found)) < len(found):
        raise InputError(f"reward functions need different names, got {found}; rename one (its __name__)")
    return found


def check_weights(rewards: list[Reward], weights: list[float]) -> dict[str, float]:
    """Weights by function name; InputError unless there is a finite one for each, or as `function_names`."""
    found = function_names(rewards)
    if len(weights) != len(found):
        raise InputError(f"{len(weights)} reward_weights for {len(rewards)} reward functions; give one each")
    if not all(isinstance(weight, Real) and math.isfinite(weight) for weight in weights):
        raise InputError(f"reward_weights is {weights}; give finite numbers")
    return dict(zip(found, map(float, weights), strict=True))


def call_rewards(
    rewards: list[Reward], weights: list[float], prompts: list[str], completions: list[str], columns: dict[str, list]
) -> RewardResult:
    """Call every function once for the batch, with all `columns` it accepts and `log_metric(name, value)`.

    Raises:
        RuntimeError: a function raised.
        InputError: wrong length, NaN, infinity, not a number, or None from every function for a row.
    """
    logged: dict[str, list[float]] = {}

    def log_metric(name: str, value: float) -> None:
        logged.setdefault(name, []).append(float(value))

    parts = {}
    for name, reward in zip(function_names(rewards), rewards, strict=True):
        try:
            values = call_reward(reward, prompts=prompts, completions=completions, log_metric=log_metric, **columns)
        except Exception as error:
            raise RuntimeError(f"reward {name!r} raised {type(error).__name__}: {one_line(str(error))}") from error
        parts[name] = check_rewards(name, values, prompts)
    table = np.stack(list(parts.values()))
    for row in np.flatnonzero(np.isnan(table).all(0)):
        raise InputError(f"every reward function returned None for the prompt {prompts[row][:80]!r}; one must apply")
    total = np.nansum(table * np.asarray(weights)[:, None], axis=0)
    return RewardResult(total, parts, {name: float(np.mean(values)) for name, values in logged.items()})


def call_reward(reward: Reward, /, **arguments: Any) -> Sequence[float | None]:
    """Call the function with the arguments that it names, or with all if it takes `**columns`.

    An `async` one is waited for on a thread, because in a notebook this thread's event loop is already running. A
    generator is run to its end, so that what it raises is the reward's own error.
    """
    parameters = inspect.signature(reward).parameters
    if all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        arguments = {name: value for name, value in arguments.items() if name in parameters}
    values = reward(**arguments)
    if not inspect.isawaitable(values):
        return list(values) if isinstance(values, Iterator) else values

    async def wait() -> list[float | None]:
        return await values

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, wait()).result()


def check_rewards(name: str, values: Sequence[float | None], prompts: list[str]) -> np.ndarray:
    """The rewards of one function as floats, None as NaN; InputError if they are not one finite number per prompt.

    A tuple, an array or a tensor is as good as a list.
    """
    values = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(values, Iterable) or isinstance(values, (str, bytes, Mapping, Set)):
        raise InputError(
            f"reward {name!r} returned {one_line(repr(values))}, a {type(values).__name__}; "
            "return a list with one number or None per prompt"
        )
    if len(values) != len(prompts):
        raise InputError(f"reward {name!r} returned {len(values)} values for {len(prompts)} prompts; one per prompt")
    result = np.full(len(prompts), np.nan)
    for row, value in enumerate(values):
        if value is None:
            continue
        try:
            result[row] = math.inf if isinstance(value, str) else float(value)
        except (TypeError, ValueError, RuntimeError):  # the last from a tensor of several numbers
            result[row] = math.inf
        if not math.isfinite(result[row]):
            raise InputError(
                f"reward {name!r} returned {one_line(repr(value))} for the prompt {prompts[row][:80]!r}; "
                "allowed: a finite number or None"
            )
    return result


def one_line(text: str) -> str:
    """The start of a text on one line, for an error message."""
    return " ".join(text.split())[:200]
