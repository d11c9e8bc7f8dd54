"""The capacity that finds itself: against replicas whose throughput grows up to a knee."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynasor.errors import InputError
from dynasor.scheduling.capacity import KV_LIMIT, AdaptiveCapacity


class Replica:
    """Produces ``rate(running)`` tokens a second, with noise, and always has as much to do as it may."""

    def __init__(self, capacity: AdaptiveCapacity, rate: Callable[[int], float], noise: float = 0.0, seed: int = 0):
        self.capacity = capacity
        self.rate = rate
        self.noise = noise
        self.rng = random.Random(seed)
        self.now = 0.0
        self.num_tokens = 0.0

    def run(self, seconds: int, kv_per_request: float = 0.0) -> list[int]:
        """The capacities of every second."""
        seen = []
        for _ in range(seconds):
            running = self.capacity.capacity
            self.now += 1.0
            self.num_tokens += max(0.0, self.rate(running) * self.rng.gauss(1.0, self.noise))
            kv_usage = min(1.0, running * kv_per_request)
            seen.append(self.capacity.observe(self.now, running, int(self.num_tokens), kv_usage))
        return seen


def knee_at(knee: float, per_request: float = 100.0) -> Callable[[int], float]:
    return lambda running: per_request * min(running, knee)


def test_it_climbs_to_the_knee_step_by_step_and_stays() -> None:
    replica = Replica(AdaptiveCapacity(8), knee_at(20))
    steps = list(dict.fromkeys(replica.run(200)))
    assert steps[:5] == [8, 10, 12, 15, 19]
    assert set(replica.run(600)) == {19, 15, 24}, "it holds 19, and tries a step either way now and then"


def test_most_of_the_time_is_spent_at_what_it_holds() -> None:
    replica = Replica(AdaptiveCapacity(8), knee_at(20))
    replica.run(400)
    seen = replica.run(1000)
    assert seen.count(19) / len(seen) > 0.7


def test_what_it_is_not_full_of_tells_nothing() -> None:
    capacity = AdaptiveCapacity(8)
    assert {capacity.observe(float(now), 4, 100 * now) for now in range(100)} == {8}


def test_a_replica_that_begins_anew_is_measured_anew() -> None:
    capacity = AdaptiveCapacity(8)
    for now, num_tokens in enumerate([0, *range(9000, 9600, 100), *range(0, 1200, 100)]):
        capacity.observe(float(now), 8, num_tokens)
    assert capacity.capacity == 10, "as after steady hundreds"


def test_the_cache_is_obeyed_at_once() -> None:
    capacity = AdaptiveCapacity(32)
    assert capacity.observe(0.0, running=32, num_tokens=0, kv_usage=0.96) == 30
    assert capacity.observe(1.0, running=30, num_tokens=0, kv_usage=1.0) == 27
    assert capacity.observe(1.0, running=1, num_tokens=0, kv_usage=1.0) == 1


@settings(max_examples=40, deadline=None)
@given(knee=st.floats(4, 200), first=st.integers(1, 200), noise=st.floats(0, 0.08), seed=st.integers(0, 999))
def test_it_finds_the_knee_from_anywhere_through_noise(knee: float, first: int, noise: float, seed: int) -> None:
    replica = Replica(AdaptiveCapacity(first), knee_at(knee), noise, seed)
    replica.run(1500)
    seen = sorted(replica.run(1500))
    middle = seen[len(seen) // 2]
    assert 0.75 * knee - 1 <= middle <= 1.35 * knee + 1


@settings(max_examples=20, deadline=None)
@given(before=st.floats(8, 100), factor=st.sampled_from([0.4, 2.5]), seed=st.integers(0, 99))
def test_it_follows_a_knee_that_moves(before: float, factor: float, seed: int) -> None:
    replica = Replica(AdaptiveCapacity(8), knee_at(before), 0.03, seed)
    replica.run(1500)
    replica.rate = knee_at(before * factor)
    replica.run(1000)
    seen = sorted(replica.run(1000))
    assert 0.75 * before * factor - 1 <= seen[len(seen) // 2] <= 1.35 * before * factor + 1


@settings(max_examples=30, deadline=None)
@given(fits=st.integers(2, 60), first=st.integers(1, 100), seed=st.integers(0, 99))
def test_the_cache_is_never_overfilled_once_it_is_known_how_many_fit(fits: int, first: int, seed: int) -> None:
    """All requests are alike here, so as soon as the cache is not full any more it knows what fits."""
    replica = Replica(AdaptiveCapacity(first), lambda running: 100.0 * running, 0.03, seed)
    seen = replica.run(1000, kv_per_request=KV_LIMIT / fits * (1 - 1e-9))
    assert max(seen[50:]) <= fits
    assert max(seen[-500:]) == fits, "more is produced up to there"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AdaptiveCapacity(0), "the capacity is 0 requests; from 1 to 512 was expected"),
        (lambda: AdaptiveCapacity(8, most=4), "the capacity is 8 requests; from 1 to 4 was expected"),
        (lambda: AdaptiveCapacity(period_s=0), "period_s is 0; a number of seconds above 0 was expected"),
    ],
)
def test_bad_parameters(make: Callable[[], AdaptiveCapacity], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_a_few_requests_do_not_tell_what_many_would_take() -> None:
    """One long prompt, or others' requests in the same cache; only where it overflows is that reason enough."""
    capacity = AdaptiveCapacity(32)
    assert capacity.observe(0.0, running=1, num_tokens=0, kv_usage=0.5) == 32
    assert capacity.observe(1.0, running=4, num_tokens=0, kv_usage=0.96) == 3
