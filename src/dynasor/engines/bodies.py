"""A request in the words of the OpenAI API."""

from __future__ import annotations

from urllib.parse import quote

from dynasor.engines.dialects import Dialect
from dynasor.engines.rendering import conversation_of
from dynasor.models.formats import END_THINK, THINK
from dynasor.vocabulary import JSON, Request, Sampling

ALL_TOKENS = -1
"""To draw from all of them; some engines take 0 for it, too, and some do not."""


def path_of(request: Request) -> str:
    """The endpoint under the API's root that ``request`` goes to."""
    return "completions" if isinstance(request.prompt, str) else "chat/completions"


def body_of(request: Request, model: str, dialect: Dialect) -> JSON:
    """The JSON body for ``request``: always streamed, and silent about what its sampling leaves open."""
    sampling = request.sampling
    body: JSON = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True, **dialect.stream_options},
        **dialect.body,
        **common_fields(sampling, dialect),
        **priority_fields(request, dialect),
    }
    if isinstance(request.prompt, str):
        return body | completion_fields(request.prompt, sampling, dialect)
    return body | conversation_of(request.prompt, model, sampling.thinking) | chat_fields(sampling, dialect)


def headers_of(request: Request, dialect: Dialect) -> dict[str, str]:
    """Headers that this request has of its own: which program it belongs to, in characters that a header can carry."""
    if dialect.routing_header is None:
        return {}
    return {dialect.routing_header: quote(request.program_id)}


def priority_fields(request: Request, dialect: Dialect) -> JSON:
    """The program's class in the engine's own polarity; the usual one, 0, goes without saying."""
    if dialect.priority_sign is None or not request.priority:
        return {}
    return {"priority": dialect.priority_sign * request.priority}


def common_fields(sampling: Sampling, dialect: Dialect) -> JSON:
    fields: JSON = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop) or None,
        "seed": sampling.seed,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        **beyond_openai(sampling, dialect),
    }
    if sampling.has_penalty:
        fields |= dialect.penalty_body
    return {name: value for name, value in fields.items() if value is not None}


def beyond_openai(sampling: Sampling, dialect: Dialect) -> JSON:
    """What OpenAI's own API does not have. It is told of them only where they ask for something, and then refuses."""
    fields: JSON = {
        "top_k": ALL_TOKENS if sampling.top_k == 0 else sampling.top_k,
        "min_p": sampling.min_p,
        dialect.repetition_penalty: sampling.repetition_penalty,
    }
    off = {"top_k": ALL_TOKENS, "min_p": 0, dialect.repetition_penalty: 1}
    return {name: value for name, value in fields.items() if dialect.extends_openai or value != off[name]}


def completion_fields(prompt: str, sampling: Sampling, dialect: Dialect) -> JSON:
    fields: JSON = {"prompt": prompt, **dialect.raw_body}
    if sampling.max_tokens is not None:
        fields["max_tokens"] = sampling.max_tokens
    if sampling.top_logprobs is not None:
        fields["logprobs"] = max(sampling.top_logprobs, dialect.fewest_logprobs)
    return fields


def chat_fields(sampling: Sampling, dialect: Dialect) -> JSON:
    fields: JSON = {}
    if sampling.max_tokens is not None:
        fields[dialect.chat_limit] = sampling.max_tokens
    if sampling.top_logprobs is not None:
        fields["logprobs"] = True
        fields["top_logprobs"] = max(sampling.top_logprobs, dialect.fewest_logprobs)
    if sampling.thinking and dialect.thinking_end is not None:
        fields |= end_thinking_fields(dialect.thinking_end)
    return fields


def end_thinking_fields(thinking_end: str) -> JSON:
    """Lets llama.cpp end the thinking of this request in flight. Its own reading of the chat template goes before
    these tags; of several ends the first is the one it writes. Without the message, empty as it is, it writes none."""
    ends = dict.fromkeys((thinking_end, END_THINK))
    return {
        "reasoning_control": True,
        "reasoning_budget_start_tag": THINK,
        "reasoning_budget_end_tags": list(ends),
        "reasoning_budget_message": "",
    }
