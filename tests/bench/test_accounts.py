"""Equal accuracy, on literal accounts."""

from __future__ import annotations

import pytest

from dynasor.bench.accounts import Account, account_of, against, at_equal_accuracy, smaller_samples
from dynasor.bench.offline import Run, compared, length_rule
from dynasor.scheduling import make_allocator
from dynasor.scheduling.allocators import entropy_threshold
from dynasor.scheduling.known_rules import Length
from dynasor.vocabulary import JSON


def result(id: str, tokens: int, *, correct: bool, branches: list[JSON] | None = None, stop: str = "cap") -> JSON:
    usage = {"main": tokens, "probe": 0, "score": 0, "cancelled": 0}
    stored: JSON = {"id": id, "usage": usage, "correct": correct, "samples": 2, "stop_reason": stop}
    return stored if branches is None else stored | {"branches": branches}


EVEN = {4: Account([40.0] * 20, [1.0] * 10 + [0.0] * 10), 8: Account([80.0] * 20, [1.0] * 15 + [0.0] * 5)}


def test_the_cheapest_even_split_that_is_as_accurate() -> None:
    arm = Account([20.0] * 20, [1.0] * 15 + [0.0] * 5)
    found = at_equal_accuracy(arm, EVEN)
    assert (found.cap, found.tokens, found.saved) == (8, 80.0, 0.75)
    assert found.interval[0] <= 0.75 <= found.interval[1]
    cheaper = at_equal_accuracy(Account([20.0] * 20, [1.0] * 10 + [0.0] * 10), EVEN)
    assert (cheaper.cap, cheaper.saved) == (4, 0.5)


def test_an_arm_that_none_is_as_accurate_as_is_set_against_the_largest() -> None:
    found = at_equal_accuracy(Account([20.0] * 20, [1.0] * 20), EVEN)
    assert (found.cap, found.tokens, found.saved) == (None, 80.0, 0.75)


def test_against_the_cap_with_intervals() -> None:
    found = against(Account([20.0] * 20, [1.0] * 14 + [0.0] * 6), EVEN[8])
    assert found["accuracy"] == pytest.approx(-0.05)
    assert found["saved_interval"] == [0.75, 0.75]
    assert found["accuracy_interval"][0] < -0.05 < found["accuracy_interval"][1] + 0.1


def test_smaller_splits_are_replayed_from_a_larger_one() -> None:
    branches = [{"answer": "7", "tokens": 10, "correct": True}, {"answer": "7", "tokens": 20, "correct": True}]
    found = smaller_samples([result("a", 30, correct=True, branches=branches)], [1, 2, 3])
    assert {cap: (list(each.tokens), list(each.right)) for cap, each in found.items()} == {
        1: ([15.0], [1.0]),
        2: ([30.0], [1.0]),
    }


def test_every_rule_is_compared() -> None:
    branches = [{"answer": "7", "tokens": 10, "correct": True}, {"answer": "7", "tokens": 20, "correct": True}]
    cap = [result(id, 30, correct=True, branches=branches) for id in "abc"]
    ours = [result(id, 15, correct=True) for id in "abc"]
    key = ("even split", 2)
    once = Run("esc", 2, "default", make_allocator("esc:window=1"))
    found = compared({key: cap, ("agreement", 2): ours}, {key: 3.0, ("agreement", 2): 1.0}, [once], top=2)
    assert [each["cap"] for each in found["even_split"]] == [1, 2]
    even, agreement, esc = found["rules"]
    assert esc["is_replayed"]
    assert esc["accuracy"] == 1.0
    assert 10 <= esc["tokens"] <= 20
    assert "against_cap" not in even
    assert agreement["against_cap"]["saved"] == 0.5
    assert agreement["at_equal_accuracy"]["cap"] == 1
    assert agreement["seconds"] == 1.0
    assert account_of(ours).right == [1.0, 1.0, 1.0]


def test_the_length_rule_stops_as_many_as_the_paper() -> None:
    paper = [
        result("a", 10, correct=True, stop="certain"),
        result("b", 30, correct=True),
        result("c", 20, correct=True),
    ]
    rule = length_rule(paper, entropy_threshold(detect_at=2))
    assert rule == Length(max_tokens=10, detect_at=2)
    assert length_rule(paper, make_allocator("agreement")) is None
