import math

import numpy as np
import pytest

from autorefine_lib.errors import InputError
from autorefine_lib.reward.calls import call_rewards, weigh_rewards

PROMPTS, COMPLETIONS = ["p0", "p1"], ["c0", "c1 c1"]


def length(completions, **columns):
    return [len(c) for c in completions]


def only_second(prompts, completions, log_metric):
    log_metric("share", 0.25)
    log_metric("share", 0.75)
    return [None, 10]


def given(completions, bonus):
    return bonus


def call(*rewards, weights=None, **columns):
    return call_rewards(list(rewards), weigh_rewards(list(rewards), weights), PROMPTS, COMPLETIONS, columns)


def test_weighted_sum_columns_and_metrics():
    result = call(length, only_second, given, weights=[1.0, 0.5, 2.0], bonus=[1.0, 2.0])
    np.testing.assert_array_equal(result.total, [2 + 0 + 2, 5 + 5 + 4])
    row = result.log
    assert row["rewards/length/mean"] == 3.5 and row["rewards/length/std"] == pytest.approx(math.sqrt(4.5))
    assert row["rewards/only_second/mean"] == 10 and math.isnan(row["rewards/only_second/std"])
    assert row["share"] == 0.5


@pytest.mark.parametrize(
    "values, message",
    [
        ([1.0], "1 values for 2 prompts"),
        ([1.0, math.nan], "nan for the prompt 'p1'"),
        ([math.inf, 1.0], "inf for the prompt 'p0'"),
        (["high", 1.0], "'high' for the prompt 'p0'"),
        ([None, 1.0], "None for the prompt 'p0'"),
        ([None, None], "None for the prompt 'p0'"),
    ],
)
def test_bad_values(values, message):
    with pytest.raises(InputError, match=message):
        call(lambda prompts, completions: values)


def test_an_exception_is_passed_on_by_the_name_of_the_function():
    def fails(prompts, completions):
        return [1 / ("p1" not in p) for p in prompts]

    with pytest.raises(RuntimeError, match="'fails' raised ZeroDivisionError: division by zero") as caught:
        call(fails)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_equal_names():
    with pytest.raises(InputError, match="different names"):
        weigh_rewards([length, length], None)
