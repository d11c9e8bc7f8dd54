"""A conversation as the raw text that its chat request starts from: how to get it from an engine.

Only the engine knows its chat template, and what its tokenizer adds to a text by itself. So a renderer gives the
text that, sent to the completions API as ``OpenAIEngine`` sends it, is read as the tokens of the chat request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from dynasor.vocabulary import JSON, Message

Post = Callable[[str, JSON], Awaitable[Any]]
"""Sends a body to a path under the server's root; gives back the JSON of the answer."""
Renderer = Callable[[Post, JSON, Mapping[str, Any]], Awaitable[str]]
"""Takes how to ask, the fields of a chat request, and the fields that the dialect adds to a raw prompt."""

Told = TypeVar("Told")


class NotRendered(Exception):
    """The engine answers, but not with a text that stands for the conversation."""


def conversation_of(messages: tuple[Message, ...], model: str, thinking: bool | None) -> JSON:
    """The fields of a chat request that its prompt depends on."""
    body: JSON = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
    }
    if thinking is not None:
        body["chat_template_kwargs"] = {"enable_thinking": thinking}
    return body


async def render_by_template(post: Post, conversation: JSON, raw_body: Mapping[str, Any]) -> str:
    """llama.cpp's way. Where its tokenizer writes the begin token, it takes the template's away itself."""
    return told(await post("apply-template", conversation), "prompt", str)


async def render_by_tokens(post: Post, conversation: JSON, raw_body: Mapping[str, Any]) -> str:
    """vLLM's and SGLang's way: the tokens of the chat request, turned into text.

    Not every tokenizer finds its way back from text to the same tokens, so that is looked at each time. One
    that writes the begin token by itself must not find it in the text as well.
    """
    model = {"model": conversation["model"]}
    tokens = await tokenize(post, conversation)
    for kept in (tokens, tokens[1:]):
        text = await detokenize(post, {**model, "tokens": kept})
        if await tokenize(post, {**model, "prompt": text, **raw_body}) == tokens:
            return text
    raise NotRendered(f"its tokenizer reads the rendered text as other tokens than the conversation's {len(tokens)}")


async def tokenize(post: Post, body: JSON) -> list[int]:
    return told(await post("tokenize", body), "tokens", list)


async def detokenize(post: Post, body: JSON) -> str:
    """SGLang leaves special tokens out unless told otherwise, and calls the text by another name."""
    answer = await post("detokenize", {**body, "skip_special_tokens": False})
    return told(answer, "text" if isinstance(answer, dict) and "text" in answer else "prompt", str)


def told(answer: Any, name: str, kind: type[Told]) -> Told:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, kind):
        raise NotRendered(f"its answer has no {name!r}")
    return value
