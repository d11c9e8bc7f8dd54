"""What a client may ask for: every refusal names the field, its value and what was allowed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.serving import Limits
from dynasor.serving.fields import Fields, parse_object
from dynasor.serving.refusals import Refusal, Refused
from dynasor.serving.requests import Wants, read_chat, read_completion, read_envelope
from dynasor.vocabulary import Message, Sampling

LIMITS = Limits()
HI = [{"role": "user", "content": "hi"}]


def refusal_of_chat(**members: Any) -> Refusal:
    with pytest.raises(Refused) as caught:
        envelope = read_envelope({"messages": HI, **members}, LIMITS)
        read_chat(envelope.fields, LIMITS)
    return caught.value.refusal


@pytest.mark.parametrize(
    ("members", "param", "message"),
    [
        ({"messages": None}, "messages", "messages is null; a list of"),
        ({"messages": []}, "messages", "messages is a list; a list of"),
        ({"messages": [1]}, "messages[0]", "messages[0] is a number; an object was expected"),
        ({"messages": [{"role": "robot", "content": ""}]}, "messages[0].role", '"robot"; one of developer, system'),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "null; a string or a list of text parts"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content",
            'a part of type "image_url"; a program reads text, anything else can be passed through',
        ),
        ({"messages": HI * 1025}, "messages", "1025 entries; at most 1024 are allowed"),
        ({"messages": [{"role": "user", "content": "x" * 1_000_001}]}, "messages", "1000001 characters; at most"),
        ({"temperature": 3}, "temperature", "temperature is 3; a number from 0 to 2 was expected"),
        ({"temperature": True}, "temperature", "temperature is true; a number from 0 to 2 was expected"),
        ({"top_p": 0}, "top_p", "top_p is 0; a number above 0 and up to 1 was expected"),
        ({"max_tokens": 0}, "max_tokens", "max_tokens is 0; a whole number from 1 to 1000000 was expected"),
        ({"max_tokens": 1.5}, "max_tokens", "max_tokens is 1.5; a whole number"),
        ({"stop": [1]}, "stop", "stop is a list; a string or a list of at most 16 strings"),
        ({"stream": "yes"}, "stream", 'stream is "yes"; true or false was expected'),
        ({"reasoning_effort": "huge"}, "reasoning_effort", '"huge"; one of none, minimal, low'),
        ({"n": 10**9}, "n", "n is 1000000000, which a reasoning program cannot do; it can be passed through"),
        ({"n": 0}, "n", "n is 0, which a reasoning program cannot do"),
        ({"tools": [{}]}, "tools", "pass-through"),
        ({"top_k": 0.5}, "top_k", "top_k is 0.5; a whole number from -1 to"),
        ({"repetition_penalty": 0}, "repetition_penalty", "is 0; a number above 0 and up to 2 was expected"),
        ({"min_p": 2}, "min_p", "min_p is 2; a number from 0 to 1 was expected"),
        ({"chat_template_kwargs": {"tools": 1}}, "chat_template_kwargs.tools", "nothing that a reasoning program can"),
        ({"chat_template_kwargs": {"enable_thinking": 1}}, "chat_template_kwargs.enable_thinking", "true or false"),
        ({"guided_json": {}, "guided_regex": "a"}, "guided_regex", "which a reasoning program cannot do"),
        ({"response_format": {"type": "json_object"}}, "response_format", "pass-through"),
        ({"logprobs": True}, "logprobs", "pass-through"),
        ({"dynasor": []}, "dynasor", "dynasor is a list; an object was expected"),
        ({"dynasor": {"max_sample": 2}}, "dynasor.max_sample", "max_sample, which is unknown; allowed are program"),
        ({"dynasor": {"max_samples": 10**9}}, "dynasor.max_samples", "1000000000; a whole number from 1 to 256"),
        ({"dynasor": {"deadline_s": 0}}, "dynasor.deadline_s", "a number above 0 and up to 3600 was expected"),
        ({"dynasor": {"priority": 101}}, "dynasor.priority", "101; a whole number from -100 to 100 was expected"),
        ({"dynasor": {"program_id": "a/b"}}, "dynasor.program_id", '"a/b"; 1 to 128 letters, digits'),
        ({"dynasor": {"effort": 3}}, "dynasor.effort", "3; one of none, minimal"),
        ({"dynasor": {"set": {"window": []}}}, "dynasor.set.window", "a list; a string, a number or a boolean"),
        ({"stream_options": 1}, "stream_options", "stream_options is 1; an object was expected"),
    ],
)
def test_what_cannot_be_used(members: dict[str, Any], param: str, message: str) -> None:
    refusal = refusal_of_chat(**members)
    assert (refusal.status, refusal.param) == (400, param)
    assert message in refusal.message
    assert len(refusal.message) < 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "the body is not JSON"),
        (b"[]", "the body is a list; a JSON object was expected"),
        (b"\xff", "the body is not JSON: str is not valid UTF-8"),
        (b'{"a": "\\ud800"}', "the body is not JSON"),
        (b'{"a": NaN}', "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
    ],
)
def test_what_is_no_object(content: bytes, message: str) -> None:
    with pytest.raises(Refused, match=message.replace("(", "\\(")):
        parse_object(content)


def test_a_whole_request() -> None:
    content = orjson.dumps(
        {
            "model": "m",
            "messages": [
                {"role": "developer", "content": "be brief"},
                {"role": "user", "content": [{"type": "text", "text": "what "}, {"type": "text", "text": "now?"}]},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 5,
            "max_completion_tokens": 7,
            "temperature": 0,
            "stop": "END",
            "seed": 3,
            "user": "somebody",
            "store": False,
            "n": 1,
            "tools": [],
            "response_format": {"type": "text"},
            "presence_penalty": 0,
            "top_k": 20,
            "min_p": 0.05,
            "repetition_penalty": 1.1,
            "chat_template_kwargs": {"enable_thinking": False},
            "dynasor": {
                "program": "self-consistency",
                "max_samples": 8,
                "allocator": "agreement",
                "max_change": 0.1,
                "deadline_s": 2,
                "priority": -1,
                "program_id": "mine",
                "effort": None,
                "set": {"window": 3, "unsure": "omit", "flag": True},
            },
        }
    )
    envelope = read_envelope(parse_object(content), LIMITS)
    assert (envelope.model, envelope.stream, envelope.include_usage, envelope.has_wants) == ("m", True, True, True)
    settings = {"window": "3", "unsure": "omit", "flag": "true"}
    assert envelope.wants == Wants("self-consistency", 8, "agreement", 0.1, 2.0, -1, "mine", None, settings)
    assert envelope.thinking is False
    asked = read_chat(envelope.fields, LIMITS)
    assert asked.messages == (Message("system", "be brief"), Message("user", "what now?"))
    sampling = asked.sampling
    assert sampling == Sampling(
        temperature=0.0,
        max_tokens=7,
        stop=("END",),
        seed=3,
        top_k=20,
        min_p=0.05,
        repetition_penalty=1.1,
        presence_penalty=0.0,
    )


def test_the_prompt_of_a_completion() -> None:
    assert read_completion(Fields({"prompt": ["Why?"]}), LIMITS).messages == (Message("user", "Why?"),)
    for prompt in (None, "", " ", ["a", "b"], [1, 2], [[1]], 5):
        with pytest.raises(Refused, match=r"prompt is .*; a text was expected"):
            read_completion(Fields({"prompt": prompt}), LIMITS)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ("messages", "prompt", "model", "stream", "stop", "seed", "n", "max_tokens", "dynasor", "stream_options", "tools")
)


@given(st.dictionaries(MEMBERS, JSON_VALUES, max_size=5))
def test_any_object_is_read_or_refused(members: dict[str, Any]) -> None:
    for read in (read_chat, read_completion):
        try:
            envelope = read_envelope(parse_object(orjson.dumps(members)), LIMITS)
            asked = read(envelope.fields, LIMITS)
        except Refused as refused:
            assert refused.refusal.status == 400
            assert refused.refusal.message
        else:
            assert asked.messages
