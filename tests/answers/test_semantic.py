"""The semantic style with its real model, where it is installed."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dynasor.answers import AnswerReader, AnswerStyle
from dynasor.answers.clusters import cosine
from dynasor.answers.embedder import PACKAGES, Embedder
from dynasor.errors import InputError

for package in PACKAGES:
    pytest.importorskip(package, reason="needs the extra 'semantic'")

from dynasor.answers.encoder import SentenceEncoder, installed_model  # noqa: E402  (it imports the extra)

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors as its makers publish it."""


@pytest_asyncio.fixture
async def reader() -> AsyncIterator[AnswerReader]:
    async with AnswerReader(AnswerStyle.SEMANTIC) as reader:
        yield reader


def test_the_weights_are_the_published_ones() -> None:
    assert hashlib.sha256((installed_model() / "model.safetensors").read_bytes()).hexdigest() == WEIGHTS_SHA256


def test_embeddings_are_those_of_the_reference_implementation() -> None:
    """The cosines are what sentence-transformers 6.2.0 computes with the same weights."""
    encode = SentenceEncoder(installed_model())
    texts = [
        "That is a happy person",
        "That is a happy dog",
        "That is a very happy person",
        "Today is a sunny day",
        "x\u00b2+1 na\u00efve CAF\u00c9 \u2014 3.14!",
        "word " * 400,
    ]
    first, *others = [encode(text).tolist() for text in texts]
    expected = [0.694577, 0.942915, 0.256876, 0.032010, 0.025103]
    assert [cosine(first, other) for other in others] == pytest.approx(expected, abs=1e-5)
    assert cosine(first, first) == pytest.approx(1, abs=1e-5)


async def test_an_embedding_does_not_depend_on_what_it_is_asked_with() -> None:
    together, alone = Embedder(), Embedder()
    texts = ["A lock is missing.", "The sky is blue because air scatters blue light.", "No."]
    batch = await asyncio.gather(*map(together.vector, texts))
    assert list(batch[1]) == list(await alone.vector(texts[1]))
    await together.close()
    await alone.close()


async def test_answers_of_one_meaning_share_a_key(reader: AnswerReader) -> None:
    grouping = reader.grouping()
    groups = [
        ["The pressure increases.", "**The gas pressure goes up.**", "The pressure rises"],
        ["The pressure decreases.", "The gas pressure goes down."],
        ["12 apples are left.", "There are twelve apples left.", "12"],
        ["13 apples are left."],
        ["`x * y`", "x*y"],
        ["x + y"],
    ]
    keys = [list(await asyncio.gather(*map(grouping.key, group))) for group in groups]
    assert [len(set(own)) for own in keys] == [1] * len(groups)
    assert len({own[0] for own in keys}) == len(groups)
    assert keys[0][0] == "meaning:The pressure increases"


async def test_groupings_do_not_know_of_each_other(reader: AnswerReader) -> None:
    first, second = reader.grouping(), reader.grouping()
    assert await first.key("The pressure increases.") != await second.key("The pressure rises.")


async def test_an_answer_can_be_held_against_a_reference(reader: AnswerReader) -> None:
    answer = reader.extract("Let me think.\n\nSo the answer is that the gas pressure goes up.\n\nDoes that help?")
    assert answer == "that the gas pressure goes up"
    assert await reader.same(answer, "The pressure increases.")
    assert await reader.same("The pressure increases.", answer)
    assert not await reader.same(answer, "The pressure decreases.")


async def test_a_free_text_has_no_key_of_its_own(reader: AnswerReader) -> None:
    with pytest.raises(InputError, match="grouping"):
        await reader.key("The pressure increases.")


async def test_numbers_and_code_need_no_model(reader: AnswerReader) -> None:
    grouping = reader.grouping()
    assert await grouping.key("5") == await grouping.key("5.0") != await grouping.key("[5]")
    assert repr(reader) == "<AnswerReader semantic <Embedder open worker=None remembered=0>>"
    assert repr(grouping) == "<SemanticGrouping <Clusters of [1, 1] texts>>"


async def test_the_worker_ends_with_its_reader() -> None:
    async with AnswerReader(AnswerStyle.SEMANTIC) as reader:
        await reader.grouping().key("The pressure increases.")
        worker = reader._embedder.worker_pid
        assert worker is not None
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
