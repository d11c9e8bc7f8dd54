"""What every engine can do. Adapters live beside this file, one each."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from dynasor.vocabulary import Delta, Request


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Who answers: the ``kind`` of engine (vllm, sglang, llamacpp, openai), the model it serves, and how
    many tokens prompt and answer may have together (None: it does not say)."""

    kind: str
    model: str
    max_model_len: int | None = None


class Engine(Protocol):
    """Generates text. Entered and left as an async context manager; leaving closes all connections."""

    async def __aenter__(self) -> Engine: ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    @property
    def info(self) -> EngineInfo:
        """Who answers; known once the engine was entered."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Run ``request``. The last delta, and no other, has a finish reason.

        Closing the generator (or cancelling the task that reads it) before that aborts the request in the
        engine; read it under ``contextlib.aclosing``. Raises ``EngineError`` and its children, never a
        library's own exceptions.
        """
        ...
