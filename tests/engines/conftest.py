from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dynasor.engines.openai import OpenAIEngine
from tests.engines.scripted import ScriptedServer
from tests.engines.tiny_model import random_weights, write_gguf


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model for llama.cpp that never ends by itself."""
    return write_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf", random_weights())


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """An engine that answers as the test tells it."""
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
async def engine(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenAIEngine]:
    """A client to the scripted server, quick to try again and to lose patience."""
    monkeypatch.setattr("dynasor.engines.retrying.FIRST_DELAY_S", 0.01)
    async with OpenAIEngine(server.url, api_key="sk-secret", silence_timeout_s=2.0) as engine:
        yield engine
