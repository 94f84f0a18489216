"""Calling the reward functions of a trainer and checking what comes back.

A reward is a plain function `reward(prompts, completions, **columns) -> list[float | None]`, the signature of TRL's
GRPO and RLOO trainers; None means "does not apply to this row".
"""

import inspect
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from autorefine_lib.errors import InputError

Reward = Callable[..., Sequence[float | None]]


@dataclass(frozen=True)
class RewardResult:
    """Rewards of one batch."""

    total: list[float]
    """The weighted sum over the functions that apply to the row, one number a row."""
    parts: pd.DataFrame
    """Each function's own rewards, in a column with its name, NaN where it does not apply."""
    log: dict[str, float]
    """Log columns: mean and standard deviation of each function, and the means of what they passed to `log_metric`."""


def weigh_rewards(rewards: list[Reward], weights: list[float] | None) -> dict[str, float]:
    """The weights by the functions' names, which label the log columns; 1 each by default.

    Raises:
        InputError: none, one that is no function, two of one name, or not one finite weight for each.
    """
    if not rewards:
        raise InputError("there is no reward function; give at least one")
    if other := [reward for reward in rewards if not callable(reward)]:
        raise InputError(f"reward {other[0]!r} is not a function; give reward(prompts, completions, **columns)")
    names = [getattr(reward, "__name__", type(reward).__name__) for reward in rewards]
    if len(set(names)) < len(names):
        raise InputError(f"reward functions need different names, got {names}; rename one (its __name__)")
    weights = weights or [1.0] * len(names)
    if len(weights) != len(names):
        raise InputError(f"{len(weights)} reward_weights for {len(names)} reward functions; give one each")
    if not all(isinstance(weight, Real) and math.isfinite(weight) for weight in weights):
        raise InputError(f"reward_weights is {weights}; give finite numbers")
    return dict(zip(names, map(float, weights), strict=True))


def call_rewards(
    rewards: list[Reward], weights: dict[str, float], prompts: list[str], completions: list[str], columns: dict
) -> RewardResult:
    """Call every function once for the batch, with those of `columns` and `log_metric(name, value)` that it takes.

    Args:
        rewards: the functions.
        weights: theirs, by name, from `weigh_rewards`.
        prompts: of the batch.
        completions: of the batch.
        columns: the other columns of the data set, by name.

    Raises:
        RuntimeError: a function raised.
        InputError: wrong length, NaN, infinity, not a number, or None from every function for a row.
    """
    logged: dict[str, list[float]] = {}

    def log_metric(name: str, value: float) -> None:
        logged.setdefault(name, []).append(float(value))

    arguments = columns | {"prompts": prompts, "completions": completions, "log_metric": log_metric}
    parts = pd.DataFrame(index=range(len(prompts)))
    for name, reward in zip(weights, rewards, strict=True):
        try:
            taken = inspect.signature(reward).parameters
            whole = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
            values = reward(**{key: value for key, value in arguments.items() if whole or key in taken})
        except Exception as error:
            raise RuntimeError(f"reward {name!r} raised {type(error).__name__}: {_one_line(str(error))}") from error
        parts[name] = _check_values(name, values, prompts)
    if (without := parts.isna().all(axis=1)).any():
        prompt = prompts[int(without.argmax())]
        raise InputError(f"every reward function returned None for the prompt {prompt[:80]!r}; one must apply")
    log = {f"rewards/{name}/{figure}": float(parts[name].agg(figure)) for name in parts for figure in ("mean", "std")}
    total = parts.mul(pd.Series(weights)).sum(axis=1).tolist()
    return RewardResult(total, parts, log | {name: float(np.mean(values)) for name, values in logged.items()})


def _check_values(name: str, values: Any, prompts: list[str]) -> np.ndarray:
    """The rewards of one function as floats, None as NaN; InputError if they are not one finite number per prompt.

    A tuple, an array or a tensor is as good as a list.
    """
    values = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(values, list | tuple):
        raise InputError(
            f"reward {name!r} returned {_one_line(repr(values))}, a {type(values).__name__}; "
            "return a list with one number or None per prompt"
        )
    if len(values) != len(prompts):
        raise InputError(f"reward {name!r} returned {len(values)} values for {len(prompts)} prompts; one per prompt")
    result = np.full(len(prompts), np.nan)
    for row, value in enumerate(values):
        if value is None:
            continue
        with suppress(TypeError, ValueError, RuntimeError):  # the last from a tensor of several numbers
            result[row] = math.nan if isinstance(value, str) else float(value)
        if not math.isfinite(result[row]):
            raise InputError(
                f"reward {name!r} returned {_one_line(repr(value))} for the prompt {prompts[row][:80]!r}; "
                "allowed: a finite number or None"
            )
    return result


def _one_line(text: str) -> str:
    """The start of a text on one line, for an error message."""
    return " ".join(text.split())[:200]
