"""What is kept of programs, and how much of it at most."""

from __future__ import annotations

from dynasor.events import (
    CertaindexMeasured,
    ProgramEnded,
    ProgramStarted,
    RequestEnded,
    RequestMoved,
    RequestStarted,
    TreeGrown,
)
from dynasor.serving import program_log
from dynasor.serving.program_log import ProgramLog, Record
from dynasor.vocabulary import Branch, Certaindex, RequestKind, TreeNode

MAIN = RequestKind.MAIN


def log_at(times: list[float]) -> ProgramLog:
    """A log on a clock that shows the last of ``times``."""
    return ProgramLog(lambda: times[-1])


def record_of(log: ProgramLog, program_id: str = "p") -> Record:
    record = log.find(program_id)
    assert record is not None
    return record


def test_when_and_where_its_requests_ran() -> None:
    times = [10.0]
    log = log_at(times)
    log.hear(ProgramStarted("p", 4, "SelfConsistency", question="What?"))
    log.hear(RequestStarted("p", "p-0", MAIN, "one", 0.0))
    times.append(11.0)
    log.hear(RequestMoved("p", "p-0", MAIN, "one", 5, "it died"))
    log.hear(RequestStarted("p", "p-0", MAIN, "two", 0.0))
    times.append(13.0)
    log.hear(RequestEnded("p", "p-0", MAIN, 9, True, "two", 3.0))
    stays = [(each.replica, each.started_time, each.ended_time, each.outcome) for each in record_of(log).past_requests]
    assert stays == [("one", 10.0, 11.0, "moved"), ("two", 11.0, 13.0, "cancelled")]
    assert (record_of(log).question, record_of(log).num_tokens, record_of(log).requests) == ("What?", 9, {})


def test_certaindex_over_the_tokens_of_its_evidence() -> None:
    log = log_at([0.0])
    log.hear(ProgramStarted("p", 4))
    branches = (Branch("2", 30), Branch("3", 12))
    log.hear(CertaindexMeasured("p", Certaindex(0.5, {}), "2", 2, branches))
    assert [each.num_tokens for each in record_of(log).measures] == [42]
    assert record_of(log).branches == branches


def test_what_is_kept_is_bounded() -> None:
    log = log_at([0.0])
    log.hear(ProgramStarted("p", 4, question="x" * 10_000))
    log.hear(TreeGrown("p", tuple(TreeNode(number, 0, "y" * 1000, 1) for number in range(1, 1000))))
    for number in range(1000):
        log.hear(RequestStarted("p", f"p-{number}", MAIN, "one", 0.0))
        log.hear(RequestEnded("p", f"p-{number}", MAIN, 1, False, "one", 0.0))
    record = record_of(log)
    assert len(record.question) == program_log.QUESTION_KEPT
    assert len(record.nodes) == program_log.NODES_KEPT
    assert len(record.nodes[1].text) == program_log.STEP_KEPT
    assert len(record.past_requests) == program_log.REQUESTS_KEPT
    log.hear(TreeGrown("p", (TreeNode(1, 0, "again", 1, 0.5), TreeNode(999, 0, "late", 1))))
    assert (record.nodes[1].reward, 999 in record.nodes) == (0.5, False)


def test_details_of_programs_that_finished_long_ago_are_forgotten() -> None:
    log = log_at([0.0])
    for number in range(program_log.DETAILED_KEPT + 1):
        log.hear(ProgramStarted(f"p{number}", 4))
        log.hear(TreeGrown(f"p{number}", (TreeNode(1, 0, "step", 1),)))
        log.hear(ProgramEnded(f"p{number}", None))
    assert not record_of(log, "p0").nodes
    assert record_of(log, "p1").nodes
