from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.engines.retrying import LONGEST_DELAY_S, parse_retry_after, retry_delay


class Fixed(random.Random):
    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def random(self) -> float:
        return self._value


def test_delays_double_up_to_the_longest() -> None:
    assert [retry_delay(attempt, None, Fixed(1.0)) for attempt in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_up_to_half_is_taken_off() -> None:
    assert [retry_delay(attempt, None, Fixed(0.0)) for attempt in (1, 2, 3)] == [0.25, 0.5, 1.0]


def test_retry_after_is_waited_and_bounded() -> None:
    assert retry_delay(1, 7.0, Fixed(0.0)) == 7.0
    assert retry_delay(1, 7.0, Fixed(1.0)) == pytest.approx(7.7)
    assert retry_delay(1, 1e9, Fixed(0.0)) == 60.0


@given(st.integers(1, 10**6), st.integers())
def test_a_delay_stays_in_bounds(attempt: int, seed: int) -> None:
    assert 0.25 <= retry_delay(attempt, None, random.Random(seed)) <= LONGEST_DELAY_S


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        ("0.5", 0.5),
        ("-1", 0.0),
        ("Wed, 21 Oct 2026 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    now = 1792567680.0  # Wed, 21 Oct 2026 07:28:00 GMT
    assert parse_retry_after(value, now) == seconds
