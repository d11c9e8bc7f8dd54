from __future__ import annotations

from dynasor.engines.bodies import body_of, path_of
from dynasor.engines.dialects import DIALECTS, dialect_of
from dynasor.vocabulary import Message, Sampling
from tests.engines.reading import CHAT, ask

EVERYTHING = Sampling(
    temperature=0.5,
    top_p=0.9,
    max_tokens=9,
    stop=("a", "b"),
    seed=0,
    top_logprobs=0,
    thinking=False,
    top_k=20,
    min_p=0.05,
    repetition_penalty=1.1,
    frequency_penalty=0.0,
    presence_penalty=1.5,
)


def test_what_is_open_stays_unsaid() -> None:
    assert body_of(ask(CHAT, Sampling()), "m", DIALECTS["openai"]) == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "What is 1+1?"}],
    }


def test_a_full_chat_request_to_vllm() -> None:
    request = ask((Message("system", "s"), Message("user", "u")), EVERYTHING)
    assert path_of(request) == "chat/completions"
    assert body_of(request, "m", DIALECTS["vllm"]) == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["a", "b"],
        "seed": 0,
        "top_k": 20,
        "min_p": 0.05,
        "repetition_penalty": 1.1,
        "frequency_penalty": 0.0,
        "presence_penalty": 1.5,
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
        "max_tokens": 9,
        "logprobs": True,
        "top_logprobs": 0,
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_a_full_completions_request_to_llama_cpp() -> None:
    request = ask("raw", EVERYTHING)
    assert path_of(request) == "completions"
    assert body_of(request, "m", DIALECTS["llamacpp"]) == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "timings_per_token": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["a", "b"],
        "seed": 0,
        "top_k": 20,
        "min_p": 0.05,
        "repeat_penalty": 1.1,
        "repeat_last_n": 65536,
        "frequency_penalty": 0.0,
        "presence_penalty": 1.5,
        "prompt": "raw",
        "max_tokens": 9,
        "logprobs": 1,
    }


def test_what_changes_nothing_is_not_told_to_openai_itself() -> None:
    off = Sampling(top_k=0, min_p=0.0, repetition_penalty=1.0, presence_penalty=0.0)
    said = {"top_k", "min_p", "repetition_penalty"}
    assert not said & body_of(ask(CHAT, off), "m", dialect_of("openai", "api.openai.com")).keys()
    assert body_of(ask(CHAT, off), "m", DIALECTS["sglang"])["top_k"] == -1
    assert "repeat_last_n" not in body_of(ask(CHAT, off), "m", DIALECTS["llamacpp"])
    asks = body_of(ask(CHAT, Sampling(top_k=5)), "m", dialect_of("openai", "api.openai.com"))
    assert asks["top_k"] == 5, "it says itself that it has none"


def test_openai_itself_has_its_own_name_for_the_limit() -> None:
    body = body_of(ask(CHAT, Sampling(max_tokens=5)), "m", dialect_of("openai", "api.openai.com"))
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body
