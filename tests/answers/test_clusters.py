"""Clusters of answers whose embeddings are made up: angles in a plane, so that nearness can be seen."""

from __future__ import annotations

import math
import statistics

from hypothesis import given, settings
from hypothesis import strategies as st

from dynasor.answers.clusters import Clusters, Vector, cosine
from dynasor.answers.statements import Statement, Wording, read_statement


def said(text: str) -> Statement:
    """A statement about which no guard has anything to say."""
    return Statement(text, Wording.PROSE)


def at(degrees: float) -> Vector:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def keys(angles: list[float], clusters: Clusters) -> list[str]:
    return [clusters.place(said(f"at {angle}"), at(angle)) for angle in angles]


def test_an_answer_joins_the_nearest_cluster_that_is_near_enough() -> None:
    clusters = Clusters(threshold=math.cos(math.radians(40)))
    assert keys([0, 60, 20, 50, 100], clusters) == [
        "meaning:at 0",
        "meaning:at 60",
        "meaning:at 0",
        "meaning:at 60",
        "meaning:at 100",
    ]
    assert repr(clusters) == "<Clusters of [2, 2, 1] texts>"


def test_complete_linkage_asks_every_member() -> None:
    threshold = math.cos(math.radians(41))
    chain: list[float] = [0, 40, 80]
    assert keys(chain, Clusters(threshold)) == ["meaning:at 0", "meaning:at 0", "meaning:at 80"]
    assert len(set(keys(chain, Clusters(threshold, linkage=max)))) == 1
    assert len(set(keys([0, 40, 50], Clusters(threshold, linkage=lambda near: statistics.fmean(near))))) == 1


def test_the_earlier_cluster_wins_a_tie() -> None:
    assert keys([-50, 50, 0], Clusters(threshold=0.6))[-1] == "meaning:at -50"


def test_a_guard_holds_against_every_member() -> None:
    clusters = Clusters()
    answers = [
        "The trip takes 3 hours",
        "The trip takes 3 hours and 20 minutes",
        "The trip takes 3 hours and 10 minutes",
    ]
    first, second, third = [clusters.place(read_statement(answer), at(0)) for answer in answers]
    assert first == second != third


def test_equal_texts_are_one_answer_whatever_their_embeddings() -> None:
    clusters = Clusters()
    assert clusters.key_of(said("a")) is None
    key = clusters.place(said("a"), at(0))
    assert clusters.place(said("a"), at(180)) == key == clusters.key_of(said("a"))
    assert repr(clusters) == "<Clusters of [1] texts>"


def test_without_embeddings_only_equal_texts_are_the_same() -> None:
    clusters = Clusters()
    assert clusters.place(said("a"), ()) != clusters.place(said("b"), ())
    assert clusters.place(said("a"), ()) == "meaning:a"


def test_cosine() -> None:
    assert math.isclose(cosine(at(10), at(70)), 0.5)
    assert cosine((), at(0)) == 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 360), max_size=30), st.floats(0.1, 0.99))
def test_votes_that_were_given_are_not_moved_and_members_are_all_near(angles: list[int], threshold: float) -> None:
    clusters = Clusters(threshold)
    given_keys = {angle: clusters.place(said(str(angle)), at(angle)) for angle in angles}
    assert {angle: clusters.key_of(said(str(angle))) for angle in angles} == given_keys
    for first, key in given_keys.items():
        for second, other in given_keys.items():
            assert key != other or cosine(at(first), at(second)) >= threshold - 1e-9
