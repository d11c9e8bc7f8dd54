from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.engines.scripted import ScriptedServer


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """An engine that answers as the test tells it."""
    async with ScriptedServer() as server:
        yield server
