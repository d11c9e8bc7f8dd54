"""The embedder with a worker that counts: what is asked together, in which order, and what if the worker fails."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec

import pytest

from dynasor.answers import AnswerReader, AnswerStyle, embedder
from dynasor.answers.embedder import MAX_BATCH, Embedder
from dynasor.errors import InputError

COUNTER = """
import base64, json, struct, sys, time
print(json.dumps({"ready": True}), flush=True)
for number, line in enumerate(sys.stdin):
    texts = json.loads(line)["texts"]
    if "slow" in texts:
        time.sleep(0.3)
    if "hang" in texts:
        time.sleep(60)
    if "die" in texts:
        sys.exit()
    vectors = [struct.pack("=2f", number, place) for place, _ in enumerate(texts)]
    print(json.dumps({"vectors": [base64.b64encode(vector).decode() for vector in vectors]}), flush=True)
"""
"""Its embedding of a text is the number of the batch, and the text's place there."""


@pytest.fixture
def counting() -> Iterator[Embedder]:
    yield Embedder(timeout_s=5.0, command=(sys.executable, "-c", COUNTER))


async def test_texts_that_wait_are_asked_together_in_their_order(counting: Embedder) -> None:
    done: list[str] = []

    async def ask(text: str) -> tuple[float, ...]:
        vector = tuple(await counting.vector(text))
        done.append(text)
        return vector

    texts = ["slow", "a", "b", "a", "c"]
    assert await asyncio.gather(*map(ask, texts)) == [(0, 0), (1, 0), (1, 1), (1, 0), (1, 2)]
    assert done == texts
    assert await ask("b") == (1, 1)
    assert await ask("d") == (2, 0)
    await counting.close()


async def test_a_batch_has_a_limit(counting: Embedder) -> None:
    vectors = await asyncio.gather(*(counting.vector(str(number)) for number in range(MAX_BATCH + 2)))
    assert [tuple(vector) for vector in vectors[-3:]] == [(1, MAX_BATCH - 2), (1, MAX_BATCH - 1), (2, 0)]
    await counting.close()


async def test_a_cancelled_question_does_not_shift_the_replies(counting: Embedder) -> None:
    await counting.vector("first")
    asking = asyncio.create_task(counting.vector("slow"))
    await asyncio.sleep(0.1)
    waiting = [asyncio.create_task(counting.vector(text)) for text in "ab"]
    await asyncio.sleep(0)
    asking.cancel()
    assert [tuple(vector) for vector in await asyncio.gather(*waiting)] == [(0, 0), (0, 1)]  # a fresh worker's
    with pytest.raises(asyncio.CancelledError):
        await asking
    await counting.close()


async def test_the_event_loop_goes_on_while_the_worker_computes(counting: Embedder) -> None:
    await counting.vector("first")
    asking = asyncio.create_task(counting.vector("slow"))
    ticks = 0
    while not asking.done():
        await asyncio.sleep(0)
        ticks += 1
    assert ticks > 5
    await counting.close()


async def test_a_worker_that_dies_or_hangs_leaves_answers_without_embeddings(caplog: pytest.LogCaptureFixture) -> None:
    hanging = Embedder(timeout_s=0.3, command=(sys.executable, "-c", COUNTER))
    await hanging.vector("first")
    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        assert len(await hanging.vector("hang")) == 0
        assert len(await hanging.vector("hang")) == 0
    assert time.monotonic() - started < 5.0
    assert [record.message for record in caplog.records] == [
        "no embeddings within 0.3 s: 1 answers are compared as text"
    ]
    assert len(await hanging.vector("die")) == 0
    await hanging.close()


async def test_without_a_worker_there_are_no_embeddings(caplog: pytest.LogCaptureFixture) -> None:
    broken = Embedder(command=(sys.executable, "-c", "import nothing_of_this_name"))
    assert [len(vector) for vector in await asyncio.gather(*map(broken.vector, "ab"))] == [0, 0]
    assert repr(broken) == "<Embedder unavailable worker=None remembered=2>"
    assert len(caplog.records) == 1
    await broken.close()


async def test_the_worker_ends_with_its_owner(counting: Embedder) -> None:
    await counting.vector("a")
    worker = counting.worker_pid
    assert worker is not None
    await counting.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    with pytest.raises(RuntimeError, match="left"):
        await counting.vector("a")


def test_a_missing_extra_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name == "tokenizers" else ModuleSpec(name, None)

    monkeypatch.setattr(embedder, "find_spec", find)
    with pytest.raises(InputError, match=r"need tokenizers, not .* pip install 'dynasor-llm\[semantic\]'"):
        AnswerReader(AnswerStyle.SEMANTIC)
