"""The dashboard's routes: its files, its stream of events, whose programs it shows, and its limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from dynasor.serving import KeyRing, Limits
from dynasor.serving.dashboard.deltas import delta
from dynasor.serving.keys import Key, digest_of
from tests.in_process_engine import InProcessEngine, says
from tests.serving.running import Served, serving, until

ALICE, BOB = "sk-alice-0123456789", "sk-bob-0123456789ab"
RING = KeyRing([Key("alice", digest_of(ALICE)), Key("bob", digest_of(BOB))])
EVENTS = "/v1/dashboard/events"
State = dict[str, Any]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def applied(state: State, news: State) -> None:
    """What ``static/state.js`` does."""
    state.update(news.get("set", {}))
    for name, tail in news.get("add", {}).items():
        state[name] = state[name] + tail
    for name, entries in news.get("put", {}).items():
        state[name] = {**state[name], **entries}
    for name, keys in news.get("drop", {}).items():
        state[name] = {key: value for key, value in state[name].items() if key not in keys}


class Watching:
    """A client of the stream, with the state that it was told so far."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self.state: State = {}
        self.events: list[State] = []

    async def hear(self) -> State:
        """The next event."""
        async with asyncio.timeout(5):
            while not (line := await self._response.content.readline()).startswith(b"data: "):
                assert line, "the stream has ended"
        self.events.append(orjson.loads(line[6:]))
        applied(self.state, self.events[-1])
        return self.events[-1]


@asynccontextmanager
async def watching(served: Served, key: str | None = None, **query: str) -> AsyncIterator[Watching]:
    headers = bearer(key) if key else {}
    async with served.client.get(served.url + EVENTS, params=query, headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield Watching(response)


async def test_a_snapshot_then_only_what_changed() -> None:
    async with serving(InProcessEngine(says("2"))) as served:
        await served.chat(dynasor={"program_id": "one"})
        async with watching(served) as page:
            first = await page.hear()
            assert (first["model"], set(first)) == ("scripted", {"model", "server_time", "set"})
            assert (page.state["now"]["finished"], page.state["now"]["stop_reasons"]) == (1, {"certain": 1})
            assert page.state["now"]["tokens"] == {"main": 9, "probe": 0, "score": 0, "cancelled": 0}
            assert (page.state["now"]["saved"], sum(page.state["now"]["certainty"])) == (3, 1)
            assert page.state["programs"]["one"]["answer"] == "2"
            await served.chat(dynasor={"program_id": "two"})
            second = await page.hear()
            assert set(second["put"]["programs"]) == {"two"}
            assert page.state["now"]["finished"] == 2
            assert "set" not in second
        served.assert_nothing_left()


async def test_the_queue_in_the_schedulers_order_and_the_load() -> None:
    engine = InProcessEngine(says("2"), step_s=0.05)
    async with serving(engine, concurrency=1) as served, asyncio.TaskGroup() as group:
        for name in ("one", "two", "three"):
            group.create_task(served.chat(dynasor={"program_id": name, "max_samples": 1}))
            await until(lambda name=name: served.service.log.find(f"/{name}") is not None)  # type: ignore[misc]
        async with watching(served) as page:
            await page.hear()
            assert page.state["replicas"]["replica-0"] == {"state": "in", "running": 1, "capacity": 1}
            queue = page.state["queue"]
            assert [(each["place"], each["id"], each["requests"]) for each in queue] == [(1, "two", 1), (2, "three", 1)]
            assert queue[0]["reason"].startswith("it came as number ")
            assert (page.state["now"]["running"], page.state["now"]["waiting"]) == (1, 2)


async def test_a_program_while_it_works_and_when_it_is_over() -> None:
    engine = InProcessEngine(says("2", "3", "2"), step_s=0.3)
    async with serving(engine, concurrency=1) as served:
        asked = asyncio.create_task(served.chat("What is 1+1?", dynasor={"program_id": "one", "allocator": "fixed"}))
        await until(lambda: served.service.log.find("/one") is not None)
        async with watching(served, program="one") as page:
            await page.hear()
            assert (page.state["question"], page.state["status"], page.state["ended_time"]) == (
                "What is 1+1?",
                "running",
                None,
            )
            while page.state["ended_time"] is None:
                await page.hear()
            assert any("certaindex_over_time" in each.get("add", {}) for each in page.events), "only what is new"
            assert [each["tokens"] for each in page.state["certaindex_over_time"]] == [3, 6, 9, 12]
            assert [each["answer"] for each in page.state["branches"]] == ["2", "3", "2", "2"]
            requests = page.state["requests"].values()
            assert [(each["outcome"], each["tokens"]) for each in requests] == [("finished", 3)] * 4
            assert page.state["stop_reason"] == "cap"
        await asked


async def test_what_a_stopped_program_had_left_was_not_saved() -> None:
    engine = InProcessEngine(says("2"), step_s=0.1)
    async with serving(engine, concurrency=1) as served:
        wants = {"program_id": "one", "allocator": "fixed", "max_samples": 50}
        asked = asyncio.create_task(served.chat(dynasor=wants))
        await until(lambda: bool(measures_of(served, "one")))
        async with served.client.delete(f"{served.url}/v1/programs/one") as response:
            assert (await response.json())["stop_reason"] == "stopped"
        await asked
        tally = served.service.tallies.of("")
        assert (tally.finished, tally.saved, dict(tally.stop_reasons)) == (1, 0, {"stopped": 1})


def measures_of(served: Served, name: str) -> list[Any]:
    record = served.service.log.find(f"/{name}")
    return [] if record is None or len(record.measures) < 2 else list(record.measures)


async def test_a_key_sees_its_own_programs_only() -> None:
    async with serving(InProcessEngine(says("2")), keys=RING) as served:
        body = {"messages": [{"role": "user", "content": "secret"}], "dynasor": {"program_id": "hers"}}
        await served.post("/v1/chat/completions", body, bearer(ALICE))
        assert (await served.get(EVENTS))[0] == 401
        assert (await served.get(f"{EVENTS}?key={ALICE}"))[0] == 401, "never a key in a URL"
        assert (await served.get(f"{EVENTS}?program=hers", bearer(BOB)))[0] == 404
        async with watching(served, BOB) as page:
            await page.hear()
            assert (page.state["programs"], page.state["queue"], page.state["now"]["finished"]) == ({}, [], 0)
        async with watching(served, ALICE, program="hers") as page:
            await page.hear()
            assert page.state["question"] == "secret"


async def test_so_many_pages_of_a_key_watch_at_most() -> None:
    limits = Limits(max_watchers_per_key=1)
    async with serving(InProcessEngine(says("2")), keys=RING, limits=limits) as served:
        async with watching(served, ALICE) as page, watching(served, BOB) as another:
            await page.hear()
            await another.hear()
            status, body = await served.get(EVENTS, bearer(ALICE))
            assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
        for _ in range(100):
            try:
                async with watching(served, ALICE) as page:
                    await page.hear()
                    break
            except AssertionError:
                await asyncio.sleep(0.02)  # until the server has noticed that the page is closed
        else:
            pytest.fail("a place never came free")


async def test_silence_is_filled_with_comments() -> None:
    async with serving(InProcessEngine(says("2")), limits=Limits(keep_alive_s=0.1)) as served:  # noqa: SIM117
        async with served.client.get(served.url + EVENTS) as response:
            async with asyncio.timeout(5):
                while await response.content.readline() != b": keep-alive\n":
                    pass


async def test_a_reader_that_does_not_read_is_dropped() -> None:
    limits = Limits(write_timeout_s=0.2)
    async with serving(InProcessEngine(says("2")), limits=limits) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        views = served.service.views
        number = 0

        def large(tenant: str) -> State:
            nonlocal number
            number += 1
            return {"now": {"text": f"{number}" * 4_000_000}}

        views.live = large  # type: ignore[method-assign]
        watchers = served.service.watchers
        await until(lambda: len(watchers) == 1)
        await until(lambda: len(watchers) == 0)
        writer.close()


@pytest.mark.parametrize("path", ["/", "/program", "/compare"])
async def test_pages_need_no_key_and_let_nothing_foreign_in(path: str) -> None:
    async with serving(InProcessEngine(says("2")), keys=RING) as served:
        async with served.client.get(served.url + path) as response:
            assert (response.status, response.content_type) == (200, "text/html")
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            text = await response.text()
            etag = response.headers["ETag"]
        assert "http://" not in text and "https://" not in text and "style=" not in text
        async with served.client.get(served.url + path, headers={"If-None-Match": etag}) as again:
            assert (again.status, await again.read()) == (304, b"")


async def test_only_files_of_the_dashboard_are_served() -> None:
    async with serving(InProcessEngine(says("2"))) as served:
        for name, kind in (("live.js", "text/javascript"), ("theme.css", "text/css"), ("chart.js", "text/javascript")):
            async with served.client.get(f"{served.url}/dashboard/{name}") as response:
                assert (response.status, response.content_type) == (200, kind)
        for name in ("..%2fassets.py", "%2e%2e/assets.py", "live.html", "none.js", "", "jsconfig.json"):
            assert (await served.get(f"/dashboard/{name}"))[0] == 404


def test_deltas_are_small_and_bring_the_new_state() -> None:
    old = {"list": [1, 2], "other": [1], "map": {"a": 1, "b": 2}, "same": {"x": [1]}, "plain": 1}
    new = {"list": [1, 2, 3], "other": [2], "map": {"b": 3, "c": 4}, "same": {"x": [1]}, "plain": 2}
    news = delta(old, new)
    assert news == {
        "set": {"other": [2], "plain": 2},
        "add": {"list": [3]},
        "put": {"map": {"b": 3, "c": 4}},
        "drop": {"map": ["a"]},
    }
    state = dict(old)
    applied(state, news)
    assert state == new
    assert delta(new, new) == {}


def test_what_is_gone_is_told_once() -> None:
    assert delta({"solution": "x", "state": "finished"}, {"state": "running"}) == {
        "set": {"solution": None, "state": "running"}
    }
    assert delta({"solution": None, "state": "running"}, {"state": "running"}) == {}
