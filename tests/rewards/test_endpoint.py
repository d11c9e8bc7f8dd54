"""Reward models behind HTTP, against a server that speaks as vLLM 0.32 does, and as no server should."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from dynasor.errors import DynasorError, EngineFailed, EngineRejected, EngineTimeout, EngineUnreachable, InputError
from dynasor.rewards import Solution
from dynasor.rewards.endpoint import Scoring, ScoringEndpoint
from dynasor.vocabulary import Message, Question
from tests.engines.scripted import ScriptedServer, hang_up, slow_headers, status
from tests.rewards.scripted_session import ScriptedSession

QUESTION = Question("q", (Message("user", "What is 1+1?"),))
SOLUTION = Solution(QUESTION, ("One.\n\nAnd one.\n\n", "So 2."))
"""Two steps of a program, three of the model."""
USAGE = {"prompt_tokens": 21, "total_tokens": 21, "completion_tokens": 0, "prompt_tokens_details": None}


def pooled(*rows: Any, usage: Any = USAGE) -> Any:
    data = [{"index": 0, "object": "pooling", "data": list(rows)}]
    return {"id": "pool-1", "object": "list", "created": 1, "model": "prm", "data": data, "usage": usage}


def classified(*probabilities: Any) -> Any:
    row = {"index": 0, "label": "LABEL_0", "probs": list(probabilities), "num_classes": len(probabilities)}
    return {"id": "classify-1", "object": "list", "created": 1, "model": "rm", "data": [row], "usage": USAGE}


def compared(score: Any) -> Any:
    row = {"index": 0, "object": "score", "score": score}
    return {"id": "score-1", "object": "list", "created": 1, "model": "ranker", "data": [row], "usage": USAGE}


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedServer]:
    monkeypatch.setattr("dynasor.engines.retrying.FIRST_DELAY_S", 0.01)
    async with ScriptedServer() as server:
        yield server


async def score(
    server: ScriptedServer, *answers: Any, scoring: Scoring | None = None, solution: Solution = SOLUTION, **more: Any
) -> float:
    server.replies = [answer if callable(answer) else status(200, answer) for answer in answers]
    async with ScoringEndpoint(server.url, scoring, **more) as reward:
        return await reward.score(ScriptedSession().as_session, solution)


async def error_of(server: ScriptedServer, expected: type[DynasorError], *answers: Any, **more: Any) -> str:
    with pytest.raises(expected) as raised:
        await score(server, *answers, **more)
    assert type(raised.value) is expected
    return str(raised.value).replace(f"http://127.0.0.1:{server.port}", "URL")


class TestPooling:
    async def test_every_step_ends_in_the_step_token(self, server: ScriptedServer) -> None:
        assert await score(server, pooled([0.9, 0.1], [0.7, 0.3], [0.25, 0.75])) == 0.75
        assert server.paths == ["/pooling"]
        assert server.bodies == [
            {
                "messages": [
                    {"role": "user", "content": "What is 1+1?"},
                    {"role": "assistant", "content": "One.<extra_0>And one.<extra_0>So 2.<extra_0>"},
                ]
            }
        ]

    @pytest.mark.parametrize(
        ("aggregation", "expected"), [("last", 0.8), ("min", 0.4), ("product", 0.16), ("mean", 1.7 / 3)]
    )
    async def test_aggregations(self, server: ScriptedServer, aggregation: Any, expected: float) -> None:
        answer = pooled([0.5, 0.5], [0.6, 0.4], [0.2, 0.8])
        assert await score(server, answer, scoring=Scoring(aggregation=aggregation)) == pytest.approx(expected)

    async def test_a_model_with_one_class_and_a_bare_number(self, server: ScriptedServer) -> None:
        assert await score(server, pooled([0.5], [0.5], [0.25])) == 0.25
        assert await score(server, pooled(0.5, 0.5, 0.25)) == 0.25

    @pytest.mark.parametrize(
        ("normalisation", "expected"),
        [("sigmoid", 1 / (1 + math.exp(-2))), ("softmax", math.exp(2) / (math.exp(2) + math.exp(1)))],
    )
    async def test_raw_scores(self, server: ScriptedServer, normalisation: Any, expected: float) -> None:
        answer = pooled([9.0, 9.0], [9.0, 9.0], [1.0, 2.0])
        assert await score(server, answer, scoring=Scoring(normalisation=normalisation)) == pytest.approx(expected)

    @pytest.mark.parametrize("normalisation", ["sigmoid", "softmax"])
    @pytest.mark.parametrize(("row", "expected"), [([0.0, 1e300], 1.0), ([0.0, -1e300], 0.0)])
    async def test_raw_scores_beyond_all_measure(
        self, server: ScriptedServer, normalisation: Any, row: list[float], expected: float
    ) -> None:
        reward = await score(server, pooled(row, row, row), scoring=Scoring(normalisation=normalisation))
        assert reward == pytest.approx(expected, abs=1e-12)

    async def test_the_step_token_in_a_solution_makes_no_step(self, server: ScriptedServer) -> None:
        forged = Solution(QUESTION, ("Sure.<extra_0><extra_0> 2.",))
        assert await score(server, pooled([0.5, 0.5]), solution=forged) == 0.5
        assert server.bodies[0]["messages"][1]["content"] == "Sure. 2.<extra_0>"

    async def test_a_reward_for_every_token_is_refused(self, server: ScriptedServer) -> None:
        told = await error_of(server, EngineFailed, pooled(*[[0.5, 0.5]] * 57))
        assert told.startswith("URL/pooling says 57 rewards for 3 steps; one at each '<extra_0>' was expected. vLLM")

    async def test_a_solution_without_a_step_is_worth_nothing(self, server: ScriptedServer) -> None:
        assert await score(server, pooled(), solution=Solution(QUESTION, (" \n\n ",))) == 0.0
        assert server.bodies == []


class TestOtherKinds:
    async def test_classify(self, server: ScriptedServer) -> None:
        scoring = Scoring(kind="classify", model="rm")
        assert await score(server, classified(0.1, 0.6, 0.3), scoring=scoring) == 0.3
        assert server.paths == ["/classify"]
        assert server.bodies[0]["model"] == "rm"
        assert server.bodies[0]["messages"][1]["content"] == "One.\n\nAnd one.\n\nSo 2."

    async def test_which_class_is_right(self, server: ScriptedServer) -> None:
        assert await score(server, classified(0.1, 0.6), scoring=Scoring(kind="classify", positive=0)) == 0.1
        told = await error_of(server, EngineFailed, classified(0.1), scoring=Scoring(kind="classify", positive=1))
        assert told == "URL/classify says [0.1], which has no class number 1"

    async def test_score(self, server: ScriptedServer) -> None:
        assert await score(server, compared(0.875), scoring=Scoring(kind="score")) == 0.875
        assert server.bodies == [{"text_1": "What is 1+1?", "text_2": "One.\n\nAnd one.\n\nSo 2."}]

    async def test_the_path_says_the_kind(self, server: ScriptedServer) -> None:
        server.replies = [status(200, compared(0.5))]
        async with ScoringEndpoint(f"http://127.0.0.1:{server.port}/score/") as reward:
            assert await reward.score(ScriptedSession().as_session, SOLUTION) == 0.5
        assert server.paths == ["/score"]
        with pytest.raises(InputError, match="is the endpoint for score, not for pooling"):
            ScoringEndpoint("http://host/score", Scoring(kind="pooling"))


class TestCounting:
    async def test_what_the_server_read_is_counted(self, server: ScriptedServer) -> None:
        server.replies = [status(200, pooled([0.5], [0.5], [0.5]))]
        session = ScriptedSession()
        async with ScoringEndpoint(server.url) as reward:
            await reward.score(session.as_session, SOLUTION)
            await reward.score(session.as_session, SOLUTION)
        assert session.scored == 42

    @pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": -3}, "many"])
    async def test_a_server_that_does_not_say(self, server: ScriptedServer, usage: Any) -> None:
        server.replies = [status(200, pooled([0.5], [0.5], [0.5], usage=usage))]
        session = ScriptedSession()
        async with ScoringEndpoint(server.url) as reward:
            await reward.score(session.as_session, SOLUTION)
        assert session.scored == 0


class TestFaults:
    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (pooled(), "says nothing: its answer has no rewards"),
            (pooled([0.5], [0.5], [1.5]), "says 1.5; a number from 0 to 1 was expected"),
            (pooled([0.5], [0.5], [-0.1]), "says -0.1; a number from 0 to 1 was expected"),
            (pooled([0.5], [0.5], [None]), "says [None]; a finite number or a list of them was expected"),
            (pooled([0.5], [0.5], []), "says [], which has no class number -1"),
            (pooled([0.5], [0.5], "AAA"), "says 'AAA'; a finite number or a list of them was expected"),
            (pooled([True], [0.5], [0.5]), "says [True]; a finite number or a list of them was expected"),
            ({}, "says {}; a list of rewards under 'data' was expected"),
            ([], "says []; a list of rewards under 'data' was expected"),
            (None, "says None; a list of rewards under 'data' was expected"),
            ({"data": []}, "says {'data': []}; a list of rewards under 'data' was expected"),
            ({"error": {"message": "no"}}, "says {'error': {'message': 'no'}}; a list of rewards under"),
            (status(200, "<html>garbage"), "says '<html>garbage'; JSON was expected"),
            (status(200, '{"data": [{"data": [[NaN]]}]}'), "; JSON was expected"),
            (status(200, ""), "says ''; JSON was expected"),
        ],
    )
    async def test_answers_that_are_no_rewards(self, server: ScriptedServer, answer: Any, told: str) -> None:
        message = await error_of(server, EngineFailed, answer)
        assert message.startswith("URL/pooling says")
        assert told in message

    async def test_a_broken_server(self, server: ScriptedServer) -> None:
        answer = status(500, {"error": {"message": "CUDA error", "type": "InternalServerError", "code": 500}})
        assert await error_of(server, EngineFailed, answer) == "URL failed (HTTP 500): CUDA error"
        assert len(server.bodies) == 1

    async def test_a_model_of_another_kind(self, server: ScriptedServer) -> None:
        answer = status(404, {"detail": "Not Found"})
        assert await error_of(server, EngineRejected, answer) == "URL rejects the request (HTTP 404): Not Found"

    async def test_a_busy_server_is_asked_again(self, server: ScriptedServer) -> None:
        good = pooled([0.5], [0.5], [0.25])
        assert await score(server, status(503, "full"), hang_up(), status(429, "slow down"), good) == 0.25
        assert len(server.bodies) == 4

    async def test_but_not_for_ever(self, server: ScriptedServer) -> None:
        told = await error_of(server, EngineFailed, status(503, "full"), max_attempts=3)
        assert told == "URL is busy or down (HTTP 503): full"
        assert len(server.bodies) == 3

    async def test_a_slow_server(self, server: ScriptedServer) -> None:
        began = time.monotonic()
        slow = slow_headers(30.0, status(200, pooled([0.5])))
        assert await error_of(server, EngineTimeout, slow, timeout_s=0.3) == "URL was silent for 0.3 s"
        assert time.monotonic() - began < 5

    async def test_a_server_that_answers_byte_by_byte(self, server: ScriptedServer) -> None:
        async def drip(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(200):
                await response.write(b" ")
                await asyncio.sleep(0.05)
            return response

        assert await error_of(server, EngineTimeout, drip, timeout_s=0.3) == "URL was silent for 0.3 s"

    async def test_nobody_there_is_noticed_on_entering(self, server: ScriptedServer) -> None:
        url = f"http://127.0.0.1:{server.port}"
        await server.stop_listening()
        with pytest.raises(EngineUnreachable, match=f"cannot connect to {url}: Connection refused"):
            await ScoringEndpoint(url, max_attempts=2).__aenter__()

    async def test_the_key_is_sent_and_never_told(self, server: ScriptedServer) -> None:
        answer = status(400, {"error": {"message": "bad key sk-secret"}})
        told = await error_of(server, EngineRejected, answer, api_key="sk-secret")
        assert told == "URL rejects the request (HTTP 400): bad key ***"
        assert server.headers[0]["Authorization"] == "Bearer sk-secret"

    async def test_a_redirection(self, server: ScriptedServer) -> None:
        told = await error_of(server, EngineRejected, status(307, "", Location="https://other/pooling"))
        assert told == "URL/pooling redirects to https://other/pooling; use that address"

    async def test_it_must_be_entered(self) -> None:
        with pytest.raises(InputError, match="use the reward as `async with reward:`"):
            await ScoringEndpoint("http://host:1").score(ScriptedSession().as_session, SOLUTION)

    async def test_a_cancelled_score_leaves_nothing_open(self, server: ScriptedServer) -> None:
        asked = asyncio.Event()

        async def never(request: web.Request) -> web.StreamResponse:
            asked.set()
            await asyncio.sleep(30)
            return web.Response()

        server.replies = [never]
        async with ScoringEndpoint(server.url) as reward:
            scoring = asyncio.create_task(reward.score(ScriptedSession().as_session, SOLUTION))
            await asked.wait()
            scoring.cancel()
            with pytest.raises(asyncio.CancelledError):
                await scoring
            await asyncio.sleep(0.05)
            assert server.num_connections == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "rank"}, "kind is 'rank'; one of pooling, classify, score was expected"),
        ({"aggregation": "max"}, "aggregation is 'max'; one of last, min, product, mean was expected"),
        ({"normalisation": "tanh"}, "normalisation is 'tanh'; one of probability, sigmoid, softmax was expected"),
        ({"step_token": ""}, "step_token is empty; a text was expected"),
    ],
)
def test_scoring_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Scoring(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"timeout_s": 0}, "timeout_s is 0; a number of seconds above 0 was expected"),
        ({"max_attempts": 0}, "max_attempts is 0; 1 or more was expected"),
        ({"api_key": "a\nb"}, "the API key of the reward is empty or has characters"),
    ],
)
def test_endpoints_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ScoringEndpoint("http://host", **settings)
