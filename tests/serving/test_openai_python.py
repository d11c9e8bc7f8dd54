"""OpenAI's own client, unchanged, against the server with the embedded model."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from dynasor.engines import open_engine
from tests.serving.openai_contract import OpenAIContract
from tests.serving.running import Served, serving


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving(open_engine("embedded"), program="chain-of-thought") as served:
        yield served
        served.assert_nothing_left()


class TestEmbedded(OpenAIContract):
    """llama.cpp."""
