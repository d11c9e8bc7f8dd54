"""Dynasor against others: the authors' loop on a scripted server, and what is made of what was measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import orjson
import pytest

from benchmarks.plain_client import Asking, Server, open_session
from benchmarks.released_loop import Pace, cut_chain, is_settled, released_loop
from benchmarks.rivals_arms import majority
from benchmarks.rivals_report import Outcome, Ran, report
from benchmarks.write_results import page
from dynasor.answers import AnswerReader
from tests.engines.scripted import Reply, ScriptedServer, status

PACE = Pace(agreeing=2, interval=64)


def said(text: str, tokens: int, finish: str = "length") -> Reply:
    choice = {"text": text, "message": {"content": text}, "finish_reason": finish}
    return status(200, {"choices": [choice], "usage": {"completion_tokens": tokens}})


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


async def run_loop(server: ScriptedServer, replies: Sequence[Reply], max_tokens: int = 1000) -> tuple[str | None, int]:
    """The answer, and the tokens that were counted."""
    server.replies = list(replies)
    async with open_session() as session:
        asking = Asking(Server(session, server.url.removesuffix("/v1"), "m", asyncio.Semaphore(4)), seed=7)
        answer = await released_loop(asking, "Q", PACE, max_tokens, AnswerReader())
    return answer, asking.num_tokens


def test_settled_takes_equal_sure_answers_in_a_row() -> None:
    assert is_settled(["4", "8", "8"], 2)
    assert not is_settled(["8"], 2)
    assert not is_settled(["8", "4"], 2)
    assert not is_settled([None, None], 2)


class TestReleasedLoop:
    async def test_leaves_when_two_probes_agree_and_counts_all_tokens(self, server: ScriptedServer) -> None:
        replies = [said(" one", 64), said("8}", 2, "stop"), said(" two", 64), said("8.0}", 3, "stop")]
        assert await run_loop(server, replies) == ("8.0", 133)
        prompts = [body["prompt"] for body in server.bodies]
        ask = "</think>\n\nThe answer is \\boxed{"
        assert prompts == ["Q", f"Q one{ask}", "Q one", f"Q one two{ask}"]
        assert len({body["seed"] for body in server.bodies}) == 4

    async def test_goes_on_while_answers_differ(self, server: ScriptedServer) -> None:
        replies = [
            *(said(" a", 64), said("8}", 2), said(" b", 64), said("9}", 2)),
            said(" c.</think> The answer is \\boxed{9}", 20, "stop"),
        ]
        assert await run_loop(server, replies) == ("9", 152)

    async def test_hesitation_is_no_evidence_and_parts_of_words_are_none(self, server: ScriptedServer) -> None:
        replies = [
            *(said(" a", 64), said("8, wait}", 2), said(" b", 64), said("8, wait}", 2)),
            *(said(" c", 64), said("\\text{node}} Now", 2), said(" d", 64), said("\\text{node}}", 2)),
        ]
        assert await run_loop(server, replies) == ("\\text{node}", 264)

    async def test_thinking_that_has_ended_is_not_probed(self, server: ScriptedServer) -> None:
        replies = [said(" a</think> so", 64), said(" \\boxed{7}", 5, "stop")]
        assert await run_loop(server, replies) == ("7", 69)
        assert server.bodies[1]["max_tokens"] == 1000 - 64

    async def test_at_its_limit_gives_the_latest_answer(self, server: ScriptedServer) -> None:
        replies = [said(" a", 64), said("8}", 2), said(" b", 36), said("...}", 4)]
        assert await run_loop(server, replies, max_tokens=100) == ("8", 106)
        assert server.bodies[2]["max_tokens"] == 36


async def test_a_chain_that_is_cut_is_asked_and_one_that_ended_is_not(server: ScriptedServer) -> None:
    server.replies = [said(" a", 100), said("5}", 2), said("</think> \\boxed{6}", 50, "stop")]
    async with open_session() as session, AnswerReader() as reader:
        asking = Asking(Server(session, server.url.removesuffix("/v1"), "m", asyncio.Semaphore(4)), seed=0)
        assert await cut_chain(asking, "Q", 100, reader) == "5"
        assert await cut_chain(asking, "Q", 100, reader) == "6"
    assert (asking.num_requests, asking.num_tokens) == (3, 152)


async def test_votes_are_of_equal_answers_and_not_of_samples_cut_off(server: ScriptedServer) -> None:
    answers = [said("\\boxed{3}", 10, "length")] * 8 + [
        said("\\boxed{1/2}", 9, "stop"),
        said("\\boxed{0.5}", 9, "stop"),
    ]
    server.replies = [*answers, said("\\boxed{4}", 9, "stop"), said("I do not know", 9, "length")]
    async with open_session() as session, AnswerReader() as reader:
        asking = Asking(Server(session, server.url.removesuffix("/v1"), "m", asyncio.Semaphore(1)), seed=0)
        assert await majority(asking, "Q?", reader) in ("1/2", "0.5")
    assert asking.num_requests == 16


def ran(arm: str, tokens: int, outcomes: Sequence[Outcome], repetition: int = 0) -> Ran:
    return Ran("votes", arm, repetition, seconds=2.0, tokens=tokens, requests=6, outcomes=outcomes)


def test_what_the_engine_counted_for_cancelled_requests_is_spread_over_them() -> None:
    found = ran("b", 100, [Outcome(True, 40, cancelled=1), Outcome(False, 30, cancelled=2), Outcome(True, 0)])
    assert found.tokens_by_question() == [50.0, 50.0, 0.0]


def test_report_and_page_say_where_the_subject_wins_and_loses(tmp_path: Path) -> None:
    dear = ran("plain", 400, [Outcome(True, 100)] * 4)
    cheap = ran("quick", 40, [Outcome(True, 10)] * 4)
    ours = ran("ours", 200, [Outcome(True, 50)] * 4)
    groups = report([dear, cheap, ours], {"votes": "plain"}, "ours")
    arms = groups["votes"]["arms"]
    assert arms["ours"]["against_baseline"]["saved"] == 0.5
    assert arms["quick"]["subject_against_it"]["saved"] == -4.0
    assert arms["plain"]["requests"] == 1.5
    result = {
        "machine": {"processor": "an abacus", "cores": 1, "system": "none", "load_average": 1.0},
        "versions": {"python": "3.11"},
        "command": "python -m benchmarks.rivals",
        "engine": "embedded",
        "questions": 4,
        "repetitions": 1,
        "at_once": 32,
        "commands": {"votes": {"ours": "dynasor batch"}},
        "faults_fixed": ["a fault"],
        "groups": groups,
    }
    (tmp_path / "rivals.json").write_bytes(orjson.dumps(result))
    text = page(tmp_path)
    assert "ours takes fewer tokens than plain; ours takes more tokens than quick" in text
    assert "is less accurate (the same) than none of the others" in text


def test_a_line_of_the_measurements_reads_back() -> None:
    from dataclasses import asdict

    one = ran("ours", 10, [Outcome(True, 10)])
    assert Ran.of_json(orjson.loads(orjson.dumps(asdict(one)))) == one
