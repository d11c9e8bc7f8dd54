"""How the engines differ behind their common OpenAI-compatible API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one kind of engine understands in its own way."""

    body: Mapping[str, Any] = field(default_factory=dict)
    """Fields added to every request, for an exact token count on every chunk."""
    stream_options: Mapping[str, Any] = field(default_factory=dict)
    """Fields added to ``stream_options``, for the same."""
    fewest_logprobs: int = 0
    """The smallest number of alternatives for which the engine reports log-probabilities at all."""
    chat_limit: str = "max_tokens"
    """The name of the token limit in chat requests."""


CONTINUOUS_USAGE = Dialect(stream_options={"continuous_usage_stats": True})
DIALECTS: Mapping[str, Dialect] = {
    "vllm": CONTINUOUS_USAGE,
    "sglang": CONTINUOUS_USAGE,
    "llamacpp": Dialect(body={"timings_per_token": True}, fewest_logprobs=1),
    "openai": Dialect(),
}
OPENAI_ITSELF = Dialect(chat_limit="max_completion_tokens")
"""OpenAI's own newer models refuse ``max_tokens``; others that speak its API pass over the new name in silence."""


def dialect_of(kind: str, host: str) -> Dialect:
    """The dialect of a ``kind`` of engine at ``host``."""
    return OPENAI_ITSELF if host.endswith("api.openai.com") else DIALECTS[kind]
