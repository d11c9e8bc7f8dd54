"""Real vLLM. DYNASOR_VLLM_PYTHON names the interpreter of an environment that has it."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from benchmarks.vllm_server import START_TIMEOUT_S, vllm_server
from dynasor.engines.embedded import EmbeddedEngine
from dynasor.engines.openai import OpenAIEngine
from dynasor.engines.protocol import Engine
from dynasor.models.question_sets import Split, question_lines
from dynasor.vocabulary import Message, Sampling
from tests.engines.contract import EngineContract
from tests.engines.reading import ask, hear
from tests.engines.render_contract import RenderContract
from tests.engines.tiny_model import random_weights, write_huggingface

PYTHON = os.environ.get("DYNASOR_VLLM_PYTHON", "")

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(START_TIMEOUT_S + 120),
    pytest.mark.skipif(not PYTHON, reason="DYNASOR_VLLM_PYTHON is not set"),
]


@pytest.fixture(scope="module")
def tiny_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = write_huggingface(tmp_path_factory.mktemp("models") / "tiny", random_weights())
    with vllm_server(PYTHON, folder, folder.with_name("vllm.log")) as url:
        yield url


@pytest.fixture
async def engine(tiny_url: str) -> AsyncIterator[OpenAIEngine]:
    async with OpenAIEngine(tiny_url) as engine:
        yield engine


class TestVllmContract(EngineContract):
    max_tokens_unseen_when_cancelled = 10
    idle_within_s = 2.5
    attempts_at_pieces = 40
    """On two cores its threads kept this process from running for up to a second, for 15 requests on end."""


class TestVllmRenders(RenderContract):
    """The tiny model's tokenizer adds the begin token."""


class TestVllmRendersTheShippedModel(RenderContract):
    """Its tokenizer does not add the begin token."""

    @pytest.fixture
    async def engine(self, shipped_url: str) -> AsyncIterator[OpenAIEngine]:
        async with OpenAIEngine(shipped_url) as engine:
            yield engine


async def test_it_tells_who_it_is(engine: OpenAIEngine) -> None:
    assert (engine.info.kind, engine.info.model) == ("vllm", "tiny")


async def test_the_shipped_model_says_the_same_under_vllm_and_llama_cpp(shipped_url: str) -> None:
    """Greedy text of 50 test questions. The two engines round differently, so where two tokens are all but
    equally likely one text may go another way: at most two may."""
    questions = [json.loads(line)["question"] for line in itertools.islice(question_lines(Split.TEST), 50)]
    async with OpenAIEngine(shipped_url) as vllm:
        from_vllm = await greedy_texts(vllm, questions)
    async with EmbeddedEngine() as embedded:
        from_llamacpp = await greedy_texts(embedded, questions)
    different = [pair for pair in zip(from_vllm, from_llamacpp, strict=True) if pair[0] != pair[1]]
    print(f"greedy texts that differ: {len(different)} of {len(questions)}")
    assert len(different) <= 2, different


async def greedy_texts(engine: Engine, questions: list[str]) -> list[str]:
    sampling = Sampling(temperature=0.0, max_tokens=400)
    return [(await hear(engine, ask((Message("user", question),), sampling))).text for question in questions]
