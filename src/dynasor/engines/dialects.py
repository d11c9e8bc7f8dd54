"""How the engines differ behind their common OpenAI-compatible API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dynasor.engines.priorities import SGLANG_CHECK, VLLM_CHECK, PriorityCheck
from dynasor.engines.rendering import Renderer, render_by_template, render_by_tokens
from dynasor.models.formats import END_THINK


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one kind of engine understands in its own way."""

    body: Mapping[str, Any] = field(default_factory=dict)
    """Fields added to every request, for an exact token count on every chunk."""
    stream_options: Mapping[str, Any] = field(default_factory=dict)
    """Fields added to ``stream_options``, for the same."""
    raw_body: Mapping[str, Any] = field(default_factory=dict)
    """Fields added to a request with a raw prompt, so that the prompt is read as it is and nothing put before it."""
    fewest_logprobs: int = 0
    """The smallest number of alternatives for which the engine reports log-probabilities at all."""
    chat_limit: str = "max_tokens"
    """The name of the token limit in chat requests."""
    repetition_penalty: str = "repetition_penalty"
    """The name of that penalty."""
    penalty_body: Mapping[str, Any] = field(default_factory=dict)
    """Fields added where there is a penalty, so that it holds for all tokens before and not for the latest only."""
    extends_openai: bool = True
    """Whether members that OpenAI's API does not have may be sent where they change nothing."""
    renderer: Renderer | None = None
    """How to get a conversation as raw text; None: it cannot be had."""
    priority_sign: int | None = None
    """What a priority, smaller first, is multiplied by for this engine; None: it has no priorities."""
    priority_check: PriorityCheck | None = None
    """How the engine tells whether it takes them."""
    cache_usage: str | None = None
    """The metric that tells which share of its KV cache is in use; None: there is none."""
    routing_header: str | None = None
    """The header that tells which requests belong together, for routers between us and the engine."""
    keeps_connections: bool = False
    """Whether a connection can be asked again on this machine, where a new one costs little: llama.cpp says that it
    keeps connections open, but closes them after every stream, and after 100 requests."""
    thinking_end: str | None = None
    """What the engine writes in the model's place to end its thinking in flight, where the chat template does not
    say; None: it cannot end it."""


DIALECTS: Mapping[str, Dialect] = {
    "vllm": Dialect(
        stream_options={"continuous_usage_stats": True},
        raw_body={"add_special_tokens": False},
        renderer=render_by_tokens,
        priority_sign=1,
        keeps_connections=True,
        priority_check=VLLM_CHECK,
        cache_usage="vllm:kv_cache_usage_perc",
        routing_header="X-Session-ID",
    ),
    "sglang": Dialect(
        stream_options={"continuous_usage_stats": True},
        renderer=render_by_tokens,
        priority_sign=-1,
        keeps_connections=True,
        priority_check=SGLANG_CHECK,
        cache_usage="sglang:token_usage",
        routing_header="X-SMG-Routing-Key",
    ),
    "llamacpp": Dialect(
        body={"timings_per_token": True},
        fewest_logprobs=1,
        repetition_penalty="repeat_penalty",
        penalty_body={"repeat_last_n": 65536},
        renderer=render_by_template,
        thinking_end=END_THINK,
    ),
    "openai": Dialect(),
}
OPENAI_ITSELF = Dialect(chat_limit="max_completion_tokens", extends_openai=False)
"""OpenAI's own newer models refuse ``max_tokens``; others that speak its API pass over the new name in silence."""


def dialect_of(kind: str, host: str) -> Dialect:
    """The dialect of a ``kind`` of engine at ``host``."""
    return OPENAI_ITSELF if host.endswith("api.openai.com") else DIALECTS[kind]
