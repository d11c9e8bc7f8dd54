from __future__ import annotations

import orjson
import pytest

from dynasor.engines.chunks import ChunkReader, ErrorChunk, UnreadableChunk
from dynasor.vocabulary import JSON, Delta, FinishReason, TokenLogprob


def choice(**fields: object) -> bytes:
    return orjson.dumps({"choices": [fields]})


def chunk(fields: JSON, **more: object) -> bytes:
    return orjson.dumps({"choices": [fields], **more})


def test_chunks_of_one_read_become_one_delta() -> None:
    reader = ChunkReader()
    assert reader.read([choice(text="a"), choice(text="b"), b"[DONE]"]) == Delta("ab", num_tokens=2)


def test_chunks_without_news_become_none() -> None:
    assert ChunkReader().read([choice(delta={"role": "assistant", "content": None}), b"[DONE]"]) is None


def test_both_names_of_reasoning_are_read_and_told_once() -> None:
    reader = ChunkReader()
    events = [
        choice(delta={"reasoning": "a"}),
        choice(delta={"reasoning_content": "b"}),
        choice(delta={"reasoning": "c", "reasoning_content": "c"}),
    ]
    assert reader.read(events) == Delta(reasoning="abc", num_tokens=3)


def test_the_engine_counts_better_than_we() -> None:
    reader = ChunkReader()
    reader.read([chunk({"text": "ab"}, usage={"completion_tokens": 5, "prompt_tokens": 3})])
    assert (reader.num_tokens, reader.prompt_tokens) == (5, 3)
    reader.read([chunk({"text": "c"}, timings={"predicted_n": 6})])
    assert reader.num_tokens == 6


def test_a_count_alone_is_news() -> None:
    assert ChunkReader().read([orjson.dumps({"choices": [], "timings": {"predicted_n": 2}})]) == Delta(num_tokens=2)


def test_llamacpp_tells_what_it_read_before_the_end() -> None:
    reader = ChunkReader()
    reader.read([chunk({"text": "a"}, timings={"predicted_n": 1, "prompt_n": 4, "cache_n": 10})])
    assert reader.prompt_tokens == 14


def test_without_a_count_log_probabilities_are_counted() -> None:
    content = [{"token": token, "logprob": -1.0} for token in "abc"]
    reader = ChunkReader(top_logprobs=0)
    delta = reader.read([choice(text="abc", logprobs={"content": content})])
    assert delta is not None and delta.num_tokens == 3


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        *((reason, FinishReason.OTHER) for reason in ("abort", "repetition", "content_filter", "tool_calls")),
    ],
)
def test_finish_reasons(written: str, read: FinishReason) -> None:
    reader = ChunkReader()
    reader.read([choice(text="", finish_reason=written)])
    assert reader.last() == Delta(finish_reason=read)


CHAT_LOGPROBS = {
    "content": [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": None}]}],
}
COMPLETIONS_LOGPROBS = {"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{"b": -1e4}], "text_offset": [0]}


@pytest.mark.parametrize(
    ("written", "top"),
    [(CHAT_LOGPROBS, {"b": float("-inf")}), (COMPLETIONS_LOGPROBS, {"b": -1e4})],
    ids=["chat", "completions"],
)
def test_log_probabilities(written: JSON, top: dict[str, float]) -> None:
    event = choice(text="a", logprobs=written)
    for wanted, expected in ((1, (TokenLogprob("a", -0.5, top),)), (0, (TokenLogprob("a", -0.5),)), (None, ())):
        delta = ChunkReader(wanted).read([event])
        assert delta is not None and delta.logprobs == expected


def test_completions_without_alternatives() -> None:
    event = choice(text="a", logprobs={"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": None})
    delta = ChunkReader(0).read([event])
    assert delta is not None and delta.logprobs == (TokenLogprob("a", -0.5),)


@pytest.mark.parametrize("event", [b"{", b"[1]", b"7", b'{"choices": 3}', b'{"choices": [{"delta": 5}]}'])
def test_what_is_no_chunk_is_told(event: bytes) -> None:
    with pytest.raises(UnreadableChunk) as raised:
        ChunkReader().read([event])
    assert str(raised.value) == event.decode()


def test_an_error_is_told() -> None:
    with pytest.raises(ErrorChunk):
        ChunkReader().read([b'{"error": {"message": "no"}}'])
