from __future__ import annotations

from dynasor.serving import Limits
from dynasor.serving.admission import Admission
from dynasor.serving.refusals import Refusal


def test_a_key_has_so_many_programs_at_once() -> None:
    admission = Admission(Limits(max_programs_per_key=2))
    for number in range(2):
        assert admission.refusal("a", 0.0) is None
        admission.enter(f"a{number}", "a")
        admission.begin(f"a{number}")
    refusal = admission.refusal("a", 0.0)
    assert refusal is not None and (refusal.status, dict(refusal.headers)) == (429, {"Retry-After": "5"})
    assert admission.refusal("b", 0.0) is None
    admission.leave("a0", "a", 1.0)
    assert admission.refusal("a", 1.0) is None


def test_the_queue_is_bounded_and_says_when_to_come_back() -> None:
    admission = Admission(Limits(max_waiting=2))
    for number in range(4):  # four programs ended, one in two seconds
        admission.enter(f"old{number}", "")
        admission.leave(f"old{number}", "", 2.0 * number)
    for number in range(2):
        admission.enter(f"new{number}", "")
    refusal = admission.refusal("", 8.0)
    assert refusal is not None and refusal.headers == {"Retry-After": "2"}
    admission.begin("new0")
    assert admission.refusal("", 8.0) is None
    assert repr(admission) == "Admission(programs=2, waiting=1)"


def test_nobody_is_let_in_while_it_closes() -> None:
    admission = Admission(Limits())
    admission.closing_in_s = 12.5
    refusal = admission.refusal("", 0.0)
    assert refusal is not None and (refusal.status, refusal.headers) == (503, {"Retry-After": "13"})


def test_retry_after_is_a_whole_number_of_seconds_within_bounds() -> None:
    assert [Refusal.busy("", s).headers["Retry-After"] for s in (0.0, 0.2, 1.2, 1e9)] == ["1", "1", "2", "60"]
