"""Answers of servers, ours and others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dynasor.chat.conversation import Choice
from dynasor.chat.server import ServerSource
from dynasor.chat.sources import Asked, News, Progress, Report, Written
from dynasor.chat.turns import Interrupts, Turn, take_turn
from dynasor.engines.openai import OpenAIEngine
from dynasor.errors import EngineError, EngineFailed, EngineRejected, EngineUnreachable, InputError
from dynasor.serving import KeyRing, Limits
from dynasor.serving.keys import Key, digest_of
from dynasor.vocabulary import Message, Sampling
from tests.engines.scripted import CUT, DONE, ScriptedServer, chat, event, hang_up, status, stream, usage
from tests.in_process_engine import InProcessEngine, Reply, says
from tests.serving.running import serving, until

HI = (Message("system", "Be brief."), Message("user", "What is 1+1?"))
KEY = "sk-alice-0123456789"


def thought(text: str, **more: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"reasoning_content": text}, "finish_reason": None}], **more})


async def answer_of(source: ServerSource, asked: Asked) -> tuple[Report, list[News]]:
    news: list[News] = []
    async with source:
        source.check(asked.choice)
        return await source.answer(asked, news.append), news


async def test_another_server_is_asked_in_openais_words_only() -> None:
    async with ScriptedServer() as server:
        server.replies = [stream(thought("hm"), thought("."), chat("2"), chat(finish="length"), usage(9), DONE)]
        source = ServerSource(server.url, api_key=KEY, sampling=Sampling(temperature=0.5, max_tokens=7, top_k=20))
        report, news = await answer_of(source, Asked(HI, Choice(effort="low")))
        assert report == Report(stop_reason="length", num_tokens=9)
        assert news == [Written(reasoning="hm"), Written(reasoning="."), Written("2")]
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
        assert server.bodies == [
            {
                "model": "m",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "What is 1+1?"},
                ],
                "stream": True,
                "stream_options": {"include_usage": True},
                "temperature": 0.5,
                "top_k": 20,
                "max_tokens": 7,
                "reasoning_effort": "low",
            }
        ]
        with pytest.raises(InputError, match="no dynasor server"):
            source.check(Choice(program="mcts"))


async def test_ours_tells_how_it_goes_and_what_it_took() -> None:
    async with serving(InProcessEngine(says("2"))) as served:
        report, news = await answer_of(ServerSource(served.url), Asked(HI, Choice("self-consistency")))
        progress = [each for each in news if isinstance(each, Progress)]
        assert [(each.num_samples, each.answer) for each in progress] == [(1, "2"), (2, "2"), (3, "2")]
        assert news[-1] == Written("The answer is \\boxed{2}.")
        assert (report.stop_reason, report.num_samples, report.num_tokens, report.num_saved) == ("certain", 3, 9, 3)
        assert report.certaindex is not None and report.certaindex > 0.9


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (status(429, {"error": {"message": "too many"}}, Retry_After="7"), EngineFailed, "too many; .* in 7 s"),
        (status(400, {"error": {"message": "too long"}}), EngineRejected, "too long"),
        (status(401, {"error": {"message": "no"}}), EngineRejected, "API key"),
        (status(307, Location="http://elsewhere"), EngineRejected, "307"),
        (hang_up(), EngineUnreachable, "closed the connection|cannot connect"),
        (stream(chat("1"), CUT), EngineFailed, "broke off"),
        (stream(chat("1"), DONE), EngineFailed, "without a finish reason"),
        (stream(chat("1"), event({"error": {"message": "burst"}})), EngineFailed, "burst"),
        (stream(b"data: not JSON\n\n"), EngineFailed, "unreadable"),
        (stream(b"data: 5\n\n"), EngineFailed, "unreadable"),
    ],
)
async def test_errors_of_a_server(reply: Any, kind: type[EngineError], said: str) -> None:
    async with ScriptedServer() as server:
        server.replies = [reply]
        with pytest.raises(kind, match=said):
            await answer_of(ServerSource(server.url), Asked(HI, Choice()))
        assert len(server.bodies) == 1


async def test_addresses_models_and_keys_that_cannot_be_used() -> None:
    async with ScriptedServer() as server:
        with pytest.raises(InputError, match="'x' is not served"):
            await answer_of(ServerSource(server.url, model="x"), Asked(HI, Choice()))
        server.models = [{"id": "a"}, {"id": "b"}]
        with pytest.raises(InputError, match="name a model"):
            await answer_of(ServerSource(server.url), Asked(HI, Choice()))
        url = server.url
    with pytest.raises(EngineUnreachable):
        await answer_of(ServerSource(url), Asked(HI, Choice()))
    with pytest.raises(InputError, match="API key"):
        ServerSource(url, api_key="a\nb")
    with pytest.raises(InputError, match="address"):
        ServerSource("ftp://x")


async def test_a_wrong_key_is_found_at_the_door() -> None:
    ring = KeyRing([Key("alice", digest_of(KEY))])
    async with serving(InProcessEngine(says("2")), keys=ring, limits=Limits()) as served:
        with pytest.raises(EngineRejected, match="401"):
            await answer_of(ServerSource(served.url, api_key="sk-wrong-0123456789"), Asked(HI, Choice()))
        report, _ = await answer_of(ServerSource(served.url, api_key=KEY), Asked(HI, Choice()))
        assert report.stop_reason == "certain"


async def interrupted(source: ServerSource, after: Any, times: int = 1) -> Turn:
    """A turn that somebody stops once ``after`` holds."""

    def ignore(news: News) -> None: ...

    interrupts = Interrupts()
    async with source, asyncio.TaskGroup() as group:
        turn = group.create_task(take_turn(source, Asked(HI, Choice()), ignore, interrupts))
        await until(after)
        for _ in range(times):
            interrupts._pass_on()
        async with asyncio.timeout(5):
            return await turn


async def test_stopping_another_server_closes_the_connection() -> None:
    async with ScriptedServer() as server:
        server.replies = [stream(thought("hm"), chat("one"), 60.0)]
        source = ServerSource(server.url)
        turn = await interrupted(source, lambda: bool(server.bodies))
        assert (turn.is_stopped, turn.report, turn.error) == (True, None, None)
        await until(lambda: server.num_connections == 0)


@pytest.mark.parametrize("program", ["self-consistency", "single"])
async def test_stopping_ours_brings_the_answer_so_far(program: str) -> None:
    engine = InProcessEngine(
        lambda request: Reply("\\boxed{2}", 3) if request.id.endswith("-0") and program != "single" else ENDLESS, 0.001
    )
    async with serving(engine, program=program) as served:
        turn = await interrupted(ServerSource(served.url), lambda: engine.produced > 50)
        assert turn.is_stopped and turn.report is not None
        assert turn.report.stop_reason == "stopped"
        assert turn.text == "\\boxed{2}" if program == "self-consistency" else turn.text.startswith("ab" * 20)
        assert not engine.live
        served.assert_nothing_left()


ENDLESS = Reply(pieces=("ab",) * 10**5)


async def test_ours_may_pass_a_question_on_and_stop_what_it_passes() -> None:
    async with ScriptedServer() as server:
        server.replies = [stream(chat("2"), chat(finish="stop"), usage(1), DONE), stream(chat("one"), 60.0)]
        async with serving(OpenAIEngine(server.url), program="pass-through") as served:
            report, news = await answer_of(ServerSource(served.url), Asked(HI, Choice(effort="low")))
            assert (report, news) == (Report(stop_reason="stop", num_tokens=1), [Written("2")])
            assert "dynasor" not in server.bodies[0]
            assert server.bodies[0]["reasoning_effort"] == "low"
            turn = await interrupted(ServerSource(served.url), lambda: len(server.bodies) == 2)
            assert (turn.is_stopped, turn.report, turn.error) == (True, None, None)
            await until(lambda: server.num_connections == 0 and served.service.num_open == 0)
            served.assert_nothing_left()


async def test_stopping_twice_waits_for_nothing() -> None:
    engine = InProcessEngine(lambda request: ENDLESS, 0.001)
    async with serving(engine, program="single") as served:
        turn = await interrupted(ServerSource(served.url), lambda: engine.produced > 50, times=2)
        assert (turn.is_stopped, turn.report) == (True, None)
        await until(lambda: not engine.live and served.service.num_open == 0)
        served.assert_nothing_left()
