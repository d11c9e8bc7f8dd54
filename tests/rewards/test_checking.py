"""What is believed of a reward."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.errors import EngineFailed
from dynasor.rewards.checking import checked


@given(st.floats(0, 1))
def test_numbers_from_0_to_1_are_believed(score: float) -> None:
    assert checked(score) == score


@pytest.mark.parametrize("score", [0, 1])
def test_whole_numbers_become_floats(score: int) -> None:
    assert isinstance(checked(score), float)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, 1.0000001, -1e-9, 2, None, "0.5", True, [0.5]])
def test_nothing_else_is(score: object) -> None:
    with pytest.raises(EngineFailed) as raised:
        checked(score, "http://judge")
    assert str(raised.value) == f"http://judge says {score!r}; a number from 0 to 1 was expected"


def test_a_message_stays_short() -> None:
    with pytest.raises(EngineFailed) as raised:
        checked("x" * 10_000)
    assert len(str(raised.value)) < 200
