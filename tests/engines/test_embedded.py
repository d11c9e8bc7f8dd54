"""Real llama.cpp, in a child process of ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dynasor.engines.embedded import SHIPPED_MODEL, EmbeddedEngine
from dynasor.errors import EngineFailed, EngineUnreachable, InputError
from dynasor.vocabulary import FinishReason, Message, Sampling
from tests.engines.contract import GREEDY, LONG, EngineContract
from tests.engines.reading import CHAT, RAW, ask, hear, hear_some
from tests.engines.render_contract import RenderContract


@pytest.fixture
async def engine(tiny_gguf: Path) -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine(tiny_gguf, slots=8) as engine:
        yield engine


class TestLlamaCppContract(EngineContract):
    max_tokens_unseen_when_cancelled = 60


class TestLlamaCppRenders(RenderContract):
    """The tiny model's tokenizer adds the begin token."""


class TestTheShippedModelRenders(RenderContract):
    """Its tokenizer does not add the begin token."""

    @pytest.fixture
    async def engine(self) -> AsyncIterator[EmbeddedEngine]:
        async with EmbeddedEngine(slots=1) as engine:
            yield engine


async def test_it_tells_who_it_is(engine: EmbeddedEngine, tiny_gguf: Path) -> None:
    assert (engine.info.kind, engine.info.model) == ("llamacpp", "tiny")
    assert repr(engine) == f"EmbeddedEngine({str(tiny_gguf)!r}, slots=8)"
    assert engine.base_url.startswith("http://127.0.0.1:")


async def test_more_requests_than_slots_all_finish(engine: EmbeddedEngine) -> None:
    heard = await asyncio.gather(*(hear(engine, ask(RAW, GREEDY)) for _ in range(40)))
    assert [one.num_tokens for one in heard] == [24] * 40


async def test_hundreds_of_short_requests_meet_no_closing_connection(engine: EmbeddedEngine) -> None:
    """The server ends a connection after a number of requests; none of ours may be on its way then."""
    one_token = ask(sampling=Sampling(max_tokens=1))
    for _ in range(60):
        heard = await asyncio.gather(*(hear(engine, one_token) for _ in range(16)))
        assert all(each.num_tokens == 1 for each in heard)


async def test_full_slots_each_reach_their_whole_context(tiny_gguf: Path) -> None:
    async with EmbeddedEngine(tiny_gguf, slots=3, context_per_slot=256) as engine:
        assert engine.info.max_model_len == 256
        heard = await asyncio.gather(*(hear(engine, ask(RAW, Sampling(max_tokens=4000))) for _ in range(3)))
    assert {one.finish_reason for one in heard} == {FinishReason.LENGTH}
    assert all(250 < one.num_tokens + (one.prompt_tokens or 0) <= 257 for one in heard)


async def test_leaving_ends_the_child(tiny_gguf: Path) -> None:
    async with EmbeddedEngine(tiny_gguf, slots=2) as engine:
        child = engine.process_id
        assert is_running(child)
    assert not is_running(child)


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.02, 0.05, 0.1])
async def test_entering_can_be_cancelled(tiny_gguf: Path, after_s: float) -> None:
    others = children_of_ours()
    entering = asyncio.create_task(EmbeddedEngine(tiny_gguf, slots=2).__aenter__())
    await asyncio.sleep(after_s)
    entering.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        engine = await entering
        await engine.__aexit__()
    assert [child for child in children_of_ours() if child not in others and not ends_within(child, 2.0)] == []


def test_the_child_dies_with_a_killed_parent(tiny_gguf: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from dynasor.engines.embedded import EmbeddedEngine\n"
        "async def main():\n"
        "    async with EmbeddedEngine(sys.argv[1], slots=2) as engine:\n"
        "        print(engine.process_id, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, tiny_gguf], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.kill()
        assert ends_within(child, 2.0)


async def test_a_child_that_dies_is_told_and_started_again_by_the_next_request(tiny_gguf: Path) -> None:
    others = children_of_ours()
    async with EmbeddedEngine(tiny_gguf, slots=2) as engine:
        reading = asyncio.create_task(hear(engine, ask(RAW, LONG)))
        await hear_some(engine, ask(RAW, LONG), 5)
        os.kill(engine.process_id, signal.SIGKILL)
        expected = "^the embedded engine has ended: signal 9; it said nothing$"
        with pytest.raises(EngineUnreachable, match=expected):
            await reading
        first = engine.process_id
        both = await asyncio.gather(hear(engine, ask()), engine.render(CHAT))
        assert both[0].num_tokens and both[1]
        assert engine.process_id != first
        assert len(children_of_ours()) == len(others) + 1


async def test_a_request_that_outlives_its_child_is_told_though_another_one_has_started_it_again(
    tiny_gguf: Path,
) -> None:
    """One finds the child gone and pauses before its next attempt; meanwhile another starts it again."""
    async with EmbeddedEngine(tiny_gguf, slots=2) as engine:
        first = engine.process_id
        os.kill(first, signal.SIGKILL)
        pausing = asyncio.create_task(hear(engine, ask()))
        while is_running(first):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        while engine.process_id == first:
            with contextlib.suppress(EngineUnreachable):
                await hear(engine, ask())
        with pytest.raises(EngineUnreachable, match=r"^the embedded engine has ended"):
            await pausing


async def test_a_model_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(EngineFailed, match=r"llama.cpp cannot serve .*broken.gguf: exit status 1; its last words:"):
        async with EmbeddedEngine(broken):
            pass


async def test_a_child_that_does_not_come_up_is_told(tiny_gguf: Path) -> None:
    with pytest.raises(EngineFailed, match=r"^llama.cpp did not start within 0.001 s; it said nothing$"):
        async with EmbeddedEngine(tiny_gguf, start_timeout_s=0.001):
            pass


def test_a_missing_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        EmbeddedEngine(tmp_path / "none.gguf")
    assert str(raised.value) == f"model '{tmp_path}/none.gguf' is not a file; expected a GGUF file"


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    other = tmp_path / "model.gguf"
    other.write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError) as raised:
        EmbeddedEngine(other)
    assert str(raised.value) == f"model '{other}' is not a GGUF file: it begins with b'PK\\x03\\x04', not b'GGUF'"


@pytest.mark.parametrize("name", ["slots", "context_per_slot", "threads"])
def test_numbers_must_be_above_zero(tiny_gguf: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"^{name} is 0; expected 1 or more$"):
        EmbeddedEngine(tiny_gguf, **{name: 0})


def test_it_must_be_entered(tiny_gguf: Path) -> None:
    with pytest.raises(InputError, match=r"was not entered; use it as `async with engine:`$"):
        _ = EmbeddedEngine(tiny_gguf).info


@pytest.mark.skipif(not SHIPPED_MODEL.exists(), reason="the embedded model was not built")
async def test_the_shipped_model_answers() -> None:
    async with EmbeddedEngine() as engine:
        question = (Message("user", "A shop has 67 packs of 8 pens. How many pens are there?"),)
        heard = await hear(engine, ask(question, Sampling(temperature=0.0, max_tokens=400)))
        assert heard.finish_reason is FinishReason.STOP
        assert "\\boxed{" in heard.text


def is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def children_of_ours() -> list[int]:
    return [int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def ends_within(process_id: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not is_running(process_id):
            return True
        time.sleep(0.02)
    return False
