"""What every engine can do. Adapters live beside this file, one each."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dynasor.vocabulary import Delta, Message, Request


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

    async def render(self, messages: tuple[Message, ...], *, thinking: bool | None = None) -> str:
        """The raw text that a chat request with ``messages`` starts from: the chat template applied, up to where
        the model begins to write.

        A request with this text as its prompt, or with more text after it, goes on where the chat request would:
        the engine reads the same tokens. ``thinking`` is as in ``Sampling``. No tokens are produced.

        Raises:
            EngineCannot: the engine does not show its chat template.
            EngineError: as ``stream``.
        """
        ...


@runtime_checkable
class EndsThinking(Protocol):
    """What some engines can do besides: end a model's thinking while it is at it."""

    async def end_thinking(self, request_id: str) -> bool:
        """Let the model stop thinking at its next token and go on to its answer.

        ``request_id`` is a conversation that runs with ``thinking=True`` and has streamed something. True if
        the engine took it, which changes nothing for a model that thinks no more; False if it cannot, or if
        there is no such request now. Raises ``EngineError`` and its children.
        """
        ...


@runtime_checkable
class TellsCacheUsage(Protocol):
    """What some engines can tell."""

    async def cache_usage(self) -> float | None:
        """The share of its KV cache that running requests take, 0 to 1; None: it does not tell. Asks once, and raises
        ``EngineError`` and its children."""
        ...


class Forwarded(Protocol):
    """An engine's own answer to a request that was forwarded to it, as it comes."""

    @property
    def status(self) -> int:
        """The HTTP status, whichever it is."""
        ...

    @property
    def content_type(self) -> str: ...

    async def receive(self) -> bytes:
        """The bytes that are there, once there are any; none at the end. Raises ``EngineError`` and its children."""
        ...


@runtime_checkable
class Forwards(Protocol):
    """What engines behind an HTTP API can do besides: answer a request that somebody else wrote."""

    def forward(self, path: str, body: bytes) -> AbstractAsyncContextManager[Forwarded]:
        """Post ``body`` to ``path`` under the API's root, once; leaving the block before the end aborts it in the
        engine. Raises ``EngineError`` and its children."""
        ...
