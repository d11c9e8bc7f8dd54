"""The server over HTTP, with an engine that answers from a script: answers, errors, limits, pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from dynasor.errors import EngineRejected, InputError
from dynasor.serving import KeyRing, Limits
from dynasor.serving.keys import Key, digest_of
from dynasor.serving.server import Listening, open_site
from tests.in_process_engine import InProcessEngine, Reply, says
from tests.serving.running import Served, serving, until

HI = {"messages": [{"role": "user", "content": "What is 1+1?"}]}
BODY_LIMIT = 1 << 19
ALICE, BOB = "sk-alice-0123456789", "sk-bob-0123456789ab"
RING = KeyRing([Key("alice", digest_of(ALICE)), Key("bob", digest_of(BOB))])


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(InProcessEngine(says("2")), limits=Limits(max_body_bytes=BODY_LIMIT)) as served:
        yield served
        served.assert_nothing_left()


def chunks_of(text: str) -> list[Any]:
    events = [part for part in text.split("\n\n") if part.startswith("data: ")]
    assert events[-1] == "data: [DONE]"
    return [orjson.loads(event[6:]) for event in events[:-1]]


async def stream_of(served: Served, body: dict[str, Any], path: str = "/v1/chat/completions") -> list[Any]:
    async with served.client.post(served.url + path, json={**body, "stream": True}) as response:
        assert response.status == 200
        return chunks_of(await response.text())


async def test_an_answer_in_one_piece(served: Served) -> None:
    status, body = await served.chat()
    assert status == 200
    assert body["object"] == "chat.completion"
    choice = body["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("The answer is \\boxed{2}.", "stop")
    assert body["usage"]["completion_tokens"] == sum(
        body["dynasor"]["tokens"][kind] for kind in ("main", "probe", "score", "cancelled")
    )
    block = body["dynasor"]
    assert (block["program"], block["answer"], block["stop_reason"]) == ("self-consistency", "2", "certain")
    assert block["samples"] == 3
    assert block["tokens_saved_estimate"] == 3


async def test_a_stream_tells_progress_and_then_the_answer(served: Served) -> None:
    chunks = await stream_of(served, {**HI, "stream_options": {"include_usage": True}})
    progress = [each for each in chunks if "dynasor" in each and each["choices"][0]["finish_reason"] is None]
    assert [each["dynasor"]["samples"] for each in progress] == [1, 2, 3]
    assert all(each["choices"][0]["delta"] == {} for each in progress)
    said = [each["choices"][0]["delta"].get("content", "") for each in chunks if each["choices"]]
    assert "".join(said) == "The answer is \\boxed{2}."
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-2]["dynasor"]["stop_reason"] == "certain"
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["completion_tokens"]) == ([], 9)
    assert len({each["id"] for each in chunks}) == 1


async def test_how_to_sample_reaches_every_sample(served: Served) -> None:
    body = {**HI, "top_k": 20, "min_p": 0.1, "presence_penalty": 0.5, "dynasor": {"program": "self-consistency"}}
    for thinking in (False, True):
        template = {"chat_template_kwargs": {"enable_thinking": thinking}}
        assert (await served.post("/v1/chat/completions", body | template))[0] == 200
        engine = next(iter(served.service.runtime.replicas)).engine
        assert isinstance(engine, InProcessEngine)
        asked, engine.requests = [each.sampling for each in engine.requests], []
        found = {(each.top_k, each.min_p, each.presence_penalty, each.thinking) for each in asked}
        assert found == {(20, 0.1, 0.5, thinking)}
        assert len(asked) >= 3


async def test_the_completions_api_asks_its_prompt_as_a_question(served: Served) -> None:
    body = {"prompt": "What is 1+1?", "dynasor": {"max_samples": 1}}
    status, answer = await served.post("/v1/completions", body)
    assert (status, answer["choices"][0]["text"]) == (200, "The answer is \\boxed{2}.")
    chunks = await stream_of(served, body, "/v1/completions")
    assert "".join(each["choices"][0]["text"] for each in chunks) == "The answer is \\boxed{2}."


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b'{"messages": "\xff"}', 400, "invalid_json"),
        ({"messages": 5}, 400, None),
        ({**HI, "model": "gpt-4"}, 404, "model_not_found"),
        ({**HI, "n": 10**9}, 400, "unsupported_field"),
        ({**HI, "dynasor": {"colour": 1}}, 400, "unknown_field"),
        ({**HI, "dynasor": {"program": "os:system"}}, 400, "unknown_program"),
        ({**HI, "dynasor": {"program": "mcts"}}, 400, "unknown_program"),
        ({**HI, "dynasor": {"allocator": "luck"}}, 400, None),
        ({**HI, "dynasor": {"allocator": "fixed", "max_change": 0.1}}, 400, None),
        ({**HI, "dynasor": {"effort": "low"}}, 400, None),
        ({**HI, "dynasor": {"set": {"colour": "red"}}}, 400, None),
        ({**HI, "dynasor": {"program": "chain-of-thought"}, "reasoning_effort": "none"}, 400, None),
        (
            {
                **HI,
                "dynasor": {"program": "chain-of-thought"},
                "chat_template_kwargs": {"enable_thinking": False},
            },
            400,
            None,
        ),
        ({**HI, "dynasor": {"program": "pass-through"}}, 400, None),
        (b"x" * (BODY_LIMIT + 1), 413, "body_too_large"),
    ],
)
async def test_bad_input(served: Served, body: object, status: int, code: str | None) -> None:
    got, answer = await served.post("/v1/chat/completions", body)
    assert (got, set(answer)) == (status, {"error"})
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert answer["error"]["code"] == code
    assert answer["error"]["message"]


async def test_paths_and_methods_that_do_not_exist(served: Served) -> None:
    status, body = await served.get("/v1/nothing")
    assert (status, body["error"]["message"]) == (404, "there is no /v1/nothing")
    status, body = await served.get("/v1/chat/completions")
    assert (status, body["error"]["code"]) == (405, "method_not_allowed")
    assert (await served.get("/v1/programs/none"))[1]["error"]["code"] == "program_not_found"


async def test_a_base_url_without_its_version_is_told_so(served: Served) -> None:
    status, body = await served.post("/chat/completions", HI)
    assert (status, body["error"]["code"]) == (404, "unknown_url")
    assert "perhaps /v1/chat/completions was meant" in body["error"]["message"]


async def test_a_program_that_needs_a_reward_is_told_so(served: Served) -> None:
    _, body = await served.post("/v1/chat/completions", {**HI, "dynasor": {"program": "mcts"}})
    assert body["error"]["message"].endswith("was expected (mcts needs a reward: `dynasor serve --reward`)")


async def test_a_port_that_is_taken(served: Served) -> None:
    expected = f"^cannot listen on 127.0.0.1, port {served.port}: Address already in use; choose --host and --port$"
    with pytest.raises(InputError, match=expected):
        async with open_site(served.service, Listening(port=served.port)):
            pass


async def test_a_body_of_50_mb_is_refused_before_it_is_read(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
    async with asyncio.timeout(2):
        assert b" 413 " in await reader.readline()
    writer.close()


async def test_request_ids_come_back_and_odd_ones_are_replaced(served: Served) -> None:
    for given, kept in (("abc-1", True), ("a b\t", False), ("x" * 200, False)):
        async with served.client.get(served.url + "/health", headers={"X-Request-Id": given}) as response:
            assert (response.headers["X-Request-Id"] == given) is kept
            assert response.headers["Server"] == "dynasor"


async def test_an_engine_that_refuses_gives_its_reason_and_a_status_even_to_a_stream() -> None:
    error = EngineRejected("the prompt is too long")
    async with serving(InProcessEngine(lambda request: Reply(error=error))) as served:
        for stream in (False, True):
            status, body = await served.chat(stream=stream)
            assert (status, body["error"]["message"]) == (400, "the prompt is too long")
        served.assert_nothing_left()


async def test_pages_tell_what_a_program_did(served: Served) -> None:
    await served.chat(dynasor={"program_id": "mine"})
    status, page = await served.get("/v1/programs/mine")
    assert status == 200
    assert (page["status"], page["answer"], page["stop_reason"]) == ("finished", "2", "certain")
    assert [each["samples"] for each in page["certaindex_over_time"]] == [1, 2, 3]
    assert [each["answer"] for each in page["branches"]] == ["2", "2", "2"]
    assert page["requests_running"] == []
    listed = (await served.get("/v1/programs"))[1]["data"]
    assert [each["id"] for each in listed] == ["mine"]


async def test_a_program_can_be_stopped_and_its_asker_gets_the_answer_so_far() -> None:
    engine = InProcessEngine(lambda request: Reply("\\boxed{2}", 3 if request.id.endswith("-0") else 10**6), 0.001)
    async with serving(engine, max_samples=4) as served, asyncio.TaskGroup() as group:
        asked = group.create_task(served.chat(dynasor={"program_id": "mine"}))
        await until(lambda: engine.produced > 100)
        status, page = await served.get("/v1/programs")
        assert page["data"][0]["status"] == "running"
        assert (await served.chat(dynasor={"program_id": "mine"}))[0] == 409
        async with served.client.delete(served.url + "/v1/programs/mine") as response:
            stopped = await response.json()
        assert (stopped["status"], stopped["stop_reason"], stopped["answer"]) == ("finished", "stopped", "2")
        status, body = await asked
        assert (status, body["dynasor"]["stop_reason"]) == (200, "stopped")
        assert body["choices"][0]["message"]["content"] == "\\boxed{2}"
        assert not engine.live
        served.assert_nothing_left()


async def test_at_its_deadline_a_program_answers_with_what_it_has() -> None:
    engine = InProcessEngine(lambda request: Reply("\\boxed{2}", 3 if request.id.endswith("-0") else 10**6), 0.001)
    async with serving(engine) as served:
        status, body = await served.chat(dynasor={"deadline_s": 0.2})
        assert (status, body["dynasor"]["stop_reason"], body["dynasor"]["answer"]) == (200, "deadline", "2")
        assert not engine.live


async def test_a_key_sees_its_own_programs_only() -> None:
    async with serving(InProcessEngine(says("2")), keys=RING) as served:
        for wrong in (None, {"Authorization": "Bearer sk-wrong-0123456789"}):
            status, body = await served.post("/v1/chat/completions", HI, wrong)
            assert (status, body["error"]["code"]) == (401, "invalid_api_key")
        alice, bob = ({"Authorization": f"Bearer {key}"} for key in (ALICE, BOB))
        body = {**HI, "dynasor": {"program_id": "mine"}}
        assert (await served.post("/v1/chat/completions", body, alice))[0] == 200
        assert (await served.get("/v1/programs/mine", alice))[0] == 200
        assert (await served.get("/v1/programs/mine", bob))[0] == 404
        assert (await served.get("/v1/programs", bob))[1]["data"] == []
        assert (await served.get("/health"))[0] == 200
        assert (await served.get("/metrics"))[0] == 200


async def test_too_many_programs_of_a_key() -> None:
    engine = InProcessEngine(lambda request: Reply("\\boxed{2}", 10**6), 0.001)
    alice = {"Authorization": f"Bearer {ALICE}"}
    limits = Limits(max_programs_per_key=1)
    async with serving(engine, keys=RING, limits=limits) as served, asyncio.TaskGroup() as group:
        asked = group.create_task(served.post("/v1/chat/completions", {**HI, "dynasor": {"deadline_s": 0.5}}, alice))
        await until(lambda: bool(engine.live))
        async with served.client.post(served.url + "/v1/chat/completions", json=HI, headers=alice) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "5")
        assert (await asked)[0] == 200


async def test_silence_is_filled_with_comments() -> None:
    engine = InProcessEngine(lambda request: Reply("\\boxed{2}", 3), 0.15)
    async with serving(engine, limits=Limits(keep_alive_s=0.1)) as served:
        body = {**HI, "stream": True, "dynasor": {"max_samples": 1}}
        async with served.client.post(served.url + "/v1/chat/completions", json=body) as response:
            text = await response.text()
        assert text.startswith(": keep-alive\n\n")
        assert chunks_of(text)[-1]["dynasor"]["answer"] == "2"


async def test_browsers_are_kept_out_unless_their_origin_is_named() -> None:
    engine, origin = InProcessEngine(says("2")), {"Origin": "https://ours.example"}
    async with serving(engine, cors_origins=["https://ours.example"]) as served:
        async with served.client.options(served.url + "/v1/models", headers=origin) as response:
            assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (204, origin["Origin"])
        async with served.client.get(served.url + "/v1/models", headers={"Origin": "https://x.example"}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
    async with (
        serving(InProcessEngine(says("2"))) as served,
        served.client.options(served.url + "/v1/models", headers=origin) as response,
    ):
        assert response.status == 405


async def test_metrics(served: Served) -> None:
    await served.chat()
    _, text = await served.get("/metrics")
    lines = text.splitlines()
    program = 'program="self-consistency"'
    for line in (
        "dynasor:num_programs_running 0.0",
        "dynasor:num_programs_waiting 0.0",
        f'dynasor:programs_finished_total{{{program},stop_reason="certain"}} 1.0',
        f"dynasor:program_latency_seconds_count{{{program}}} 1.0",
        f"dynasor:program_queue_time_seconds_count{{{program}}} 1.0",
        f"dynasor:time_to_first_token_seconds_count{{{program}}} 1.0",
        f'dynasor:tokens_total{{kind="main",{program}}} 9.0',
        f"dynasor:tokens_saved_estimate_total{{{program}}} 3.0",
        f"dynasor:certaindex_at_stop_count{{{program}}} 1.0",
        'dynasor:replica_state{replica="replica-0",state="in"} 1.0',
        'dynasor:replica_requests_running{replica="replica-0"} 0.0',
        'dynasor:server_info{model_name="scripted"} 1.0',
    ):
        assert line in lines, f"{line} is missing in\n{text}"
    started = next(line for line in lines if line.startswith("dynasor:scheduler_started_requests_total "))
    assert float(started.split()[1]) == 3.0
