"""Continuous batching, by hand: an iteration takes a millisecond, and so that is what times are in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.simulation import CostModel, EngineProfile, Segment
from dynasor.simulation.batching import Batch, Sequence
from tests.simulation.authors import one_millisecond


def run(batch: Batch, now: float = 0.0) -> list[tuple[str, int, float]]:
    """To the end: who tells of how many tokens, when, in ms."""
    told: list[tuple[str, int, float]] = []
    while (ends := batch.begin(now)) is not None:
        now = ends
        told += [(sequence.id, written, round(1000 * now, 6)) for sequence, written in batch.end()]
    return told


def prompt(name: str, num_tokens: int = 10) -> tuple[Segment, ...]:
    return (Segment(name, num_tokens),)


def test_sequences_tell_at_their_boundaries() -> None:
    batch = Batch(one_millisecond())
    batch.submit("a", prompt("q"), (2, 5), 0.0)
    batch.submit("b", prompt("q"), (3,), 0.0)
    assert run(batch) == [("a", 2, 2.0), ("b", 3, 3.0), ("a", 5, 5.0)]
    counters = batch.counters
    assert (counters.written, counters.iterations, counters.read, counters.cached) == (8, 5, 11, 9)


def test_one_that_comes_in_an_iteration_joins_at_its_end() -> None:
    batch = Batch(one_millisecond())
    batch.submit("a", prompt("q"), (10,), 0.0)
    batch.begin(0.0)
    batch.end()
    assert batch.begin(0.001) == pytest.approx(0.01)
    batch.submit("b", prompt("r"), (2,), 0.0045)
    assert batch.begin(0.0045) == pytest.approx(0.005)
    batch.end()
    assert run(batch, 0.005) == [("b", 2, 7.0), ("a", 10, 10.0)]


def test_one_that_leaves_counts_what_it_had_and_frees_its_place() -> None:
    batch = Batch(one_millisecond())
    leaves = batch.submit("a", prompt("q"), (10,), 0.0)
    batch.submit("b", prompt("q"), (10,), 0.0)
    batch.begin(0.0)
    batch.end()
    batch.begin(0.001)
    assert batch.written(leaves, 0.0035) == 3
    assert batch.abort(leaves, 0.0035) == 3
    assert batch.begin(0.0035) == pytest.approx(0.004)
    batch.end()
    assert run(batch, 0.004) == [("b", 10, 10.0)]
    assert (batch.counters.written, batch.counters.dropped) == (13, 1)
    assert (batch.memory.held, batch.memory.shared) == (0, 0)


def test_long_prompts_are_read_in_chunks_while_others_write() -> None:
    cost = CostModel(overhead_s=0.001, token_s=0.00001)
    batch = Batch(EngineProfile("test", "none", cost, 10_000, max_running=10, max_prefill=100))
    batch.submit("a", prompt("q"), (4,), 0.0)
    batch.begin(0.0)
    batch.end()
    batch.submit("b", prompt("r", 150), (1,), 0.0011)
    # a was read with 10 tokens in 1.1 ms; then b takes 99 and 51 tokens beside a's one
    assert run(batch, 0.0011) == [("b", 1, 4.62), ("a", 4, 5.63)]


def test_iterations_slow_down_as_contexts_grow() -> None:
    cost = CostModel(overhead_s=0.001, context_s=0.0001)
    batch = Batch(EngineProfile("test", "none", cost, 10_000, max_running=10, max_prefill=100))
    batch.submit("a", prompt("q"), (4,), 0.0)
    # 1 ms to read; then over contexts of 11, 12 and 13 tokens
    assert run(batch) == [("a", 4, 7.6)]


def test_the_last_one_admitted_gives_its_place_away_when_the_cache_is_full() -> None:
    batch = Batch(one_millisecond(kv_tokens=40))
    batch.submit("a", prompt("q"), (15,), 0.0)
    batch.submit("b", prompt("r"), (15,), 0.0)
    # 20 tokens of prompts leave 20: after 10 ms both have written 10. b leaves, to be read again after a.
    assert run(batch) == [("a", 15, 15.0), ("b", 15, 20.0)]
    assert (batch.counters.preemptions, batch.counters.written) == (1, 30)
    assert batch.counters.read == 10 + 10 + 10, "b's prompt was still cached, its 10 tokens were not"


def test_a_prompt_is_read_once_for_all_who_share_it() -> None:
    batch = Batch(one_millisecond())
    shared = (Segment("system", 50), Segment("q", 10))
    other = (Segment("system", 50), Segment("r", 10))
    for name, segments in (("a", shared), ("b", shared), ("c", other)):
        batch.submit(name, segments, (1,), 0.0)
        run(batch)
    assert (batch.counters.read, batch.counters.cached) == (60 + 1 + 10, 59 + 50)


def test_without_a_prefix_cache_everything_is_read() -> None:
    profile = EngineProfile("test", "none", CostModel(overhead_s=0.001), 1000, 10, 100, has_prefix_cache=False)
    batch = Batch(profile)
    for name in ("a", "b"):
        batch.submit(name, prompt("q"), (1,), 0.0)
        run(batch)
    assert (batch.counters.read, batch.counters.cached) == (20, 0)


def test_nor_is_a_prompt_shared_with_one_that_runs_without_it() -> None:
    profile = EngineProfile("test", "none", CostModel(overhead_s=0.001), 1000, 10, 100, has_prefix_cache=False)
    batch = Batch(profile)
    batch.submit("a", prompt("q"), (5,), 0.0)
    batch.submit("b", prompt("q"), (5,), 0.0)
    batch.submit("probe", prompt("r"), (5,), 0.0, num_beside=7)
    batch.begin(0.0)
    assert batch.memory.shared == 10 + 10 + 17, "each has its prompt for itself, what another wrote of it included"
    batch.end()
    run(batch, 0.001)
    assert (batch.counters.read, batch.counters.cached) == (37, 0)
    assert (batch.memory.held, batch.memory.shared, batch.memory.idle) == (0, 0, 0)


def test_idle_prefixes_give_way_the_longest_unused_first() -> None:
    batch = Batch(one_millisecond(kv_tokens=34))
    for name in ("q", "r", "q", "s", "q", "r"):
        batch.submit(name, prompt(name), (5,), 0.0)
        run(batch)
    assert batch.counters.cached == 9 + 9, "q twice; r made room for s"


def test_more_than_max_running_wait() -> None:
    batch = Batch(one_millisecond(max_running=1))
    for name in ("a", "b"):
        batch.submit(name, prompt("q"), (3,), 0.0)
    assert run(batch) == [("a", 3, 3.0), ("b", 3, 6.0)]


work = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.integers(0, 3),
        st.integers(1, 20),
        st.lists(st.integers(1, 10), min_size=1, max_size=3),
        st.none() | st.integers(0, 30),
        st.integers(0, 12),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=12,
)
"""When each comes, what it asks, the length of that prompt's own part, gaps between its boundaries, when it is
aborted, counted from its arrival, how many tokens of another it goes on from, and how many of its parts are kept; times
in half milliseconds."""


@given(work, st.integers(75, 130), st.integers(1, 5), st.booleans(), st.sampled_from([1, 4, 16]))
def test_tokens_and_memory_are_conserved(
    jobs: list[tuple[int, int, int, list[int], int | None, int, int]],
    kv: int,
    most: int,
    has_prefix_cache: bool,
    block_tokens: int,
) -> None:
    cost = CostModel(overhead_s=0.001)
    batch = Batch(
        EngineProfile("test", "none", cost, kv, most, 8, has_prefix_cache=has_prefix_cache, block_tokens=block_tokens)
    )
    moments = sorted({0.0005 * at for at, *_ in jobs} | {0.0005 * (j[0] + j[4]) for j in jobs if j[4] is not None})
    live: dict[int, Sequence] = {}
    got: dict[int, int] = {}
    asked = 0
    now, ends = 0.0, None
    while moments or ends is not None or live:
        if moments and (ends is None or moments[0] < ends):
            now = moments.pop(0)
            for number, (at, question, length, gaps, leaves, beside, kept) in enumerate(jobs):
                if 0.0005 * at == now:
                    tells = tuple(sum(gaps[: k + 1]) for k in range(len(gaps)))
                    segments = (Segment("system", 10), Segment((question, length), length))
                    keys = tuple(f"{number}-{part}" for part in range(min(kept, len(tells))))
                    live[number] = batch.submit(str(number), segments, tells, now, num_beside=beside, keys=keys)
                    asked += 1
                if leaves is not None and 0.0005 * (at + leaves) == now and number in live:
                    got[number] = batch.abort(live.pop(number), now)
        else:
            assert ends is not None, "all that was admitted comes to its end"
            now = ends
            for sequence, written in batch.end():
                if written == sequence.length:
                    got[int(sequence.id)] = written
                    assert live.pop(int(sequence.id)) is sequence
        is_new = batch.span is None
        ends = batch.begin(now)
        memory = batch.memory
        if is_new and batch.span is not None:
            assert memory.held == sum(batch.written(each, now) for each in (*batch.reading, *batch.writing))
            assert batch.context == sum(each.prompt_tokens + batch.written(each, now) for each in batch.writing)
            if not has_prefix_cache:
                assert memory.shared == sum(each.prompt_tokens for each in (*batch.reading, *batch.writing))
                assert memory.idle == batch.counters.cached == 0
        assert memory.held >= 0 and memory.shared >= 0 and memory.idle >= 0
        assert memory.held + memory.shared + memory.idle <= kv
    assert len(got) == asked == len(jobs)
    assert batch.counters.written == sum(got.values())
    assert (batch.memory.held, batch.memory.shared) == (0, 0)
    assert batch.context == 0
