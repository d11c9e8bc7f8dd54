"""Deadlines, knees, and where to measure next, on literal numbers."""

from __future__ import annotations

import math

import pytest

from dynasor.bench.deadlines import attainment, difficulty, quantile, slowness, tightest_scale
from dynasor.bench.knee import MOST_POINTS, Bound, Knee, Point, knee, monotone, next_rate, scale_at


def points(*pairs: tuple[float, float]) -> list[Point]:
    return [Point(rate, scale) for rate, scale in pairs]


@pytest.mark.parametrize(("num_right", "expected"), [(20, 1), (19, 2), (1, 2), (0, 3)])
def test_difficulty_is_the_papers(num_right: int, expected: int) -> None:
    assert difficulty(num_right, 20) == expected


def test_a_deadline_is_scale_times_difficulty_times_base() -> None:
    slownesses = [slowness(3.0, 1, 2.0), slowness(3.0, 2, 2.0), slowness(3.0, 3, 2.0), slowness(None, 3, 2.0)]
    assert slownesses == [1.5, 0.75, 0.5, math.inf]
    assert attainment(slownesses, 1.0) == 0.5
    assert attainment(slownesses, 1.5) == 0.75


def test_the_tightest_scale_keeps_nine_in_ten() -> None:
    slownesses = [float(number) for number in range(1, 11)]
    assert tightest_scale(slownesses) == 9.0
    assert attainment(slownesses, 9.0) == 0.9
    assert quantile([5.0], 0.9) == 5.0


def test_the_knee_lies_between_rates_on_a_log_scale() -> None:
    found = knee(points((1.0, 0.5), (4.0, 2.0)))
    assert found.rate == pytest.approx(2.0)
    assert found.bound is Bound.MEASURED
    assert knee(points((4.0, 2.0), (1.0, 0.25))).rate == pytest.approx(4 ** (2 / 3))
    assert knee(points((1.0, 0.5), (4.0, 2.0)), scale=0.5).rate == pytest.approx(1.0)


def test_a_knee_that_was_not_enclosed_says_so() -> None:
    assert knee(points((1.0, 0.2), (2.0, 0.9))) == Knee(2.0, Bound.AT_LEAST)
    assert knee(points((1.0, 1.2), (2.0, 3.0))) == Knee(1.0, Bound.AT_MOST)


def test_noise_is_averaged_where_load_seems_to_make_faster() -> None:
    curve = monotone(points((1.0, 0.5), (2.0, 2.0), (3.0, 0.5), (4.0, 4.0)))
    assert [point.scale for point in curve] == pytest.approx([0.5, 1.0, 1.0, 4.0])
    heavy = monotone([Point(1.0, 4.0, weight=3), Point(2.0, 0.25, weight=1)])
    assert [point.scale for point in heavy] == pytest.approx([2.0, 2.0])


def test_one_rate_measured_twice_is_one_point() -> None:
    (point,) = monotone(points((1.0, 0.5), (1.0, 2.0)))
    assert point.scale == pytest.approx(1.0)
    assert point.weight == 2.0


def test_a_scale_at_a_rate_between_and_just_beyond_those_measured() -> None:
    curve = points((1.0, 0.5), (4.0, 2.0))
    assert scale_at(curve, 2.0) == pytest.approx(1.0)
    assert scale_at(curve, 4.0) == pytest.approx(2.0)
    assert scale_at(curve, 0.9) == pytest.approx(0.5)
    assert scale_at(curve, 0.5) is None
    assert scale_at(curve, 5.5) is None


def test_programs_that_never_answered_are_above_every_knee() -> None:
    found = knee([Point(1.0, 0.5), Point(2.0, math.inf)])
    assert found.bound is Bound.MEASURED
    assert 1.0 < found.rate < 2.0


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ([], 2.0),
        ([(2.0, 0.3)], 3.2),
        ([(2.0, 0.2)], 4.4),
        ([(2.0, 0.8)], 2.5),
        ([(2.0, 5.0)], 2.0 / 2.2),
        ([(2.0, 1.5)], 2.0 / 1.25),
        ([(2.0, 0.8), (4.5, 3.0)], 3.0),
        ([(2.0, 0.8), (2.3, 1.3)], None),
    ],
)
def test_the_search_closes_in(measured: list[tuple[float, float]], expected: float | None) -> None:
    assert next_rate(points(*measured), guess=2.0) == (None if expected is None else pytest.approx(expected))


def test_the_search_finds_a_knee_and_ends() -> None:
    measured: list[Point] = []
    while (rate := next_rate(measured, guess=1.0)) is not None:
        measured.append(Point(rate, (rate / 3.7) ** 4))
    assert len(measured) <= MOST_POINTS
    assert knee(measured).rate == pytest.approx(3.7, rel=0.05)
    assert knee(measured).bound is Bound.MEASURED


def test_a_search_without_an_end_is_given_up() -> None:
    assert next_rate(points(*((1.25**step, 0.9) for step in range(MOST_POINTS))), guess=1.0) is None
