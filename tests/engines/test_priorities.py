"""Priorities and routing keys on the wire, each in the engine's own way, and whether they are of any effect."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from dynasor.engines import warn_if_priorities_are_ignored
from dynasor.engines.openai import OpenAIEngine
from dynasor.engines.priorities import read_sglang, read_vllm
from dynasor.vocabulary import Request
from tests.engines.reading import CHAT, RAW, ask, hear
from tests.engines.scripted import OK, ScriptedServer, status
from tests.in_process_engine import InProcessEngine, says


async def sent(server: ScriptedServer, kind: str, request: Request) -> tuple[Any, Mapping[str, str]]:
    """The body and the headers that a server of this kind gets."""
    server.models = [{"id": "m", "owned_by": kind}]
    server.replies = [OK]
    async with OpenAIEngine(server.url) as engine:
        await hear(engine, request)
    return server.bodies[-1], server.headers[-1]


@pytest.mark.parametrize("prompt", [RAW, CHAT])
@pytest.mark.parametrize(("kind", "expected"), [("vllm", -5), ("sglang", 5), ("llamacpp", None), ("openai", None)])
async def test_each_engine_has_its_own_polarity(
    server: ScriptedServer, kind: str, expected: int | None, prompt: Any
) -> None:
    """Ours is smaller first, as vLLM's; SGLang's is larger first; the others would not know the field."""
    body, _ = await sent(server, kind, replace(ask(prompt), priority=-5))
    assert body.get("priority") == expected


@pytest.mark.parametrize("kind", ["vllm", "sglang"])
async def test_the_usual_class_goes_without_saying(server: ScriptedServer, kind: str) -> None:
    """vLLM may refuse any other, where it was not started for priorities."""
    body, _ = await sent(server, kind, ask())
    assert "priority" not in body


@pytest.mark.parametrize(
    ("kind", "header"),
    [("vllm", "X-Session-ID"), ("sglang", "X-SMG-Routing-Key"), ("llamacpp", None), ("openai", None)],
)
async def test_routers_are_told_which_requests_belong_together(
    server: ScriptedServer, kind: str, header: str | None
) -> None:
    _, headers = await sent(server, kind, replace(ask(), program_id="q 7\r\nü"))
    told = {name: value for name, value in headers.items() if name.lower() in ("x-session-id", "x-smg-routing-key")}
    assert told == ({} if header is None else {header: "q%207%0D%0A%C3%BC"})
    assert "X-Conversation-Id" not in headers


VLLM = {"vllm_config": {"scheduler_config": {"policy": "priority", "max_num_seqs": 8}}}


@pytest.mark.parametrize(
    ("info", "why"),
    [
        (VLLM, None),
        ({"vllm_config": {"scheduler_config": {"policy": "fcfs"}}}, "its policy is 'fcfs'"),
        ({"vllm_config": "scheduler_config=..."}, "it does not tell"),
        (None, "it does not tell"),
        ([], "it does not tell"),
    ],
)
def test_what_vllm_tells(info: Any, why: str | None) -> None:
    assert_says(read_vllm(info), why)


@pytest.mark.parametrize(
    ("info", "why"),
    [
        ({"enable_priority_scheduling": True, "schedule_policy": "fcfs"}, None),
        ({"server_args": {"enable_priority_scheduling": True, "schedule_policy": "lof"}}, None),
        ({"enable_priority_scheduling": True, "schedule_policy": "lpm"}, "its policy is 'lpm'"),
        ({"enable_priority_scheduling": False, "schedule_policy": "fcfs"}, "--enable-priority-scheduling"),
        (None, "--enable-priority-scheduling"),
    ],
)
def test_what_sglang_tells(info: Any, why: str | None) -> None:
    assert_says(read_sglang(info), why)


def assert_says(told: str | None, why: str | None) -> None:
    assert (told is None) == (why is None)
    assert why is None or why in (told or "")


@pytest.mark.parametrize(
    ("kind", "path", "info", "warning"),
    [
        ("vllm", "/server_info", VLLM, None),
        ("vllm", "/elsewhere", VLLM, "it does not tell"),
        ("sglang", "/get_server_info", {"enable_priority_scheduling": True, "schedule_policy": "fcfs"}, None),
        ("sglang", "/get_server_info", {"enable_priority_scheduling": False}, "--enable-priority-scheduling"),
        ("llamacpp", "/props", {}, "engines of kind 'llamacpp' have none"),
        ("openai", "/", {}, "engines of kind 'openai' have none"),
    ],
)
async def test_a_warning_where_they_would_be_ignored(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture, kind: str, path: str, info: Any, warning: str | None
) -> None:
    async def tell(request: web.Request) -> web.StreamResponse:
        return web.json_response(info) if request.path == path else web.json_response({}, status=404)

    server.models = [{"id": "m", "owned_by": kind}]
    server.pages = tell
    with caplog.at_level(logging.WARNING):
        async with OpenAIEngine(server.url) as engine:
            assert await warn_if_priorities_are_ignored(engine) == (warning is not None)
    assert len(caplog.messages) == (warning is not None)
    assert warning is None or warning in caplog.messages[0]


async def test_an_engine_that_does_not_tell_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    async with InProcessEngine(says("1")) as engine:
        assert await warn_if_priorities_are_ignored(engine, "the test's")
    why = "engines of kind 'test' do not tell"
    assert caplog.messages == [f"priorities may have no effect in the test's: {why}; they still order what waits here"]


async def test_one_that_cannot_be_asked_is_warned_of_and_no_failure(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.models = [{"id": "m", "owned_by": "vllm"}]
    server.pages = status(500, "out of order")
    async with OpenAIEngine(server.url) as engine:
        assert await warn_if_priorities_are_ignored(engine)
    assert "it could not be asked" in caplog.messages[0]
    assert "out of order" in caplog.messages[0]
