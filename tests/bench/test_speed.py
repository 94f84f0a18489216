"""The bench of ranking, on a few texts."""

import pytest

from autorefine_lib.bench import speed
from autorefine_lib.errors import InputError


@pytest.mark.parametrize(
    ("what", "rates"),
    [("rank", ["candidates_per_second", "ads_per_second"])],
)
def test_rates_are_measured(monkeypatch, what: str, rates: list[str]):
    monkeypatch.setattr(speed, "ADS", 2)
    monkeypatch.setattr(speed, "CANDIDATES", 6)
    result = speed.measure(what)
    assert result["what"] == what and all(result[name] > 0 for name in rates)
    assert result.get("texts", 8) == 8, "two ads and six biographies"
    assert {"machine", "commit", "versions"} <= set(result)


def test_a_rate_is_things_over_seconds(monkeypatch):
    clock = iter([10.0, 10.5])
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    assert speed._per_second(40, lambda: None) == 80


def test_something_else_is_refused():
    with pytest.raises(InputError, match="one of rank, rewrite, ppo"):
        speed.measure("speed")
