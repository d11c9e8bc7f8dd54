"""What a client asks for: the body of a request, read into values. Pure: bytes in, values or a refusal out.

Strict about the ``dynasor`` object, whose unknown members are refused. Tolerant of members that OpenAI's API has and a
program has no use for, as clients send many; but what would have changed the answer is refused, not passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from dynasor.serving.fields import Fields, kind_of, shortened, shown
from dynasor.serving.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY, Limits
from dynasor.serving.refusals import Refusal, Refused
from dynasor.vocabulary import JSON, Message, Sampling

EFFORT_NAMES = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
PASS_THROUGH = "pass-through"
LARGEST_SEED = 2**63 - 1
MAX_STOPS = 16
LARGEST_TOP_K = 2**31 - 1
LARGEST_REPETITION_PENALTY = 2
TEMPLATE, ENABLE_THINKING = "chat_template_kwargs", "enable_thinking"
ROLES = ("developer", "system", "user", "assistant", "tool", "function")
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Wants:
    """The ``dynasor`` object of a request; None where it does not say."""

    program: str | None = None
    max_samples: int | None = None
    allocator: str | None = None
    max_change: float | None = None
    deadline_s: float | None = None
    priority: int = 0
    program_id: str | None = None
    effort: str | None = None
    settings: Mapping[str, str] = field(default_factory=lambda: NO_SETTINGS)
    """``set``: parameters of the program, by name, as text."""


WANTS_MEMBERS = (
    "program",
    "max_samples",
    "allocator",
    "max_change",
    "deadline_s",
    "priority",
    "program_id",
    "effort",
    "set",
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every request says, whoever answers it: a program or, passed through, the engine."""

    fields: Fields
    model: str | None
    stream: bool
    include_usage: bool
    reasoning_effort: str | None
    thinking: bool | None
    """``enable_thinking``, where a chat template is told so."""
    wants: Wants
    has_wants: bool
    """Whether the body has a ``dynasor`` object, which no engine would understand."""


def read_envelope(members: JSON, limits: Limits) -> Envelope:
    fields = Fields(members)
    options = fields.object("stream_options")
    wanted = fields.object("dynasor")
    check_size(members, limits)
    return Envelope(
        fields=fields,
        model=fields.text("model"),
        stream=fields.flag("stream"),
        include_usage=options is not None and options.flag("include_usage"),
        reasoning_effort=fields.choice("reasoning_effort", EFFORT_NAMES),
        thinking=read_thinking(fields),
        wants=Wants() if wanted is None else read_wants(wanted, limits),
        has_wants="dynasor" in members,
    )


def check_size(members: JSON, limits: Limits) -> None:
    """Refuse a conversation that is longer than any may be, before anything of it is looked at."""
    messages = members.get("messages")
    if isinstance(messages, list) and len(messages) > limits.max_messages:
        message = f"messages has {len(messages)} entries; at most {limits.max_messages} are allowed"
        raise Refused(Refusal.bad_field("messages", message, "too_many_messages"))


def read_wants(fields: Fields, limits: Limits) -> Wants:
    fields.allow_only(WANTS_MEMBERS)
    return Wants(
        program=fields.text("program"),
        max_samples=fields.whole("max_samples", 1, limits.max_request_samples),
        allocator=fields.text("allocator"),
        max_change=fields.number("max_change", 0, 1),
        deadline_s=read_deadline(fields, limits),
        priority=fields.whole("priority", HIGHEST_PRIORITY, LOWEST_PRIORITY) or 0,
        program_id=read_program_id(fields),
        effort=fields.choice("effort", EFFORT_NAMES),
        settings=read_settings(fields),
    )


def read_deadline(fields: Fields, limits: Limits) -> float | None:
    deadline_s = fields.number("deadline_s", 0, limits.max_deadline_s)
    if deadline_s == 0:
        raise fields.refuse("deadline_s", f"a number above 0 and up to {limits.max_deadline_s:g} was expected")
    return deadline_s


def read_program_id(fields: Fields) -> str | None:
    program_id = fields.text("program_id")
    if program_id is None or is_plain_id(program_id):
        return program_id
    raise fields.refuse("program_id", "1 to 128 letters, digits and ._:- were expected")


def is_plain_id(text: str) -> bool:
    return 0 < len(text) <= 128 and text.isascii() and all(each.isalnum() or each in "._:-" for each in text)


def read_settings(fields: Fields) -> Mapping[str, str]:
    settings = fields.object("set")
    if settings is None:
        return NO_SETTINGS
    for name, value in settings.members.items():
        if not isinstance(value, str | int | float):
            raise settings.refuse(name, "a string, a number or a boolean was expected")
    return MappingProxyType({name: as_setting(value) for name, value in settings.members.items()})


def as_setting(value: str | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Asked:
    """A conversation that a program can work on, and how the client wants it sampled."""

    messages: tuple[Message, ...]
    sampling: Sampling


def read_chat(fields: Fields, limits: Limits) -> Asked:
    """The body of ``/v1/chat/completions``, for a program."""
    refuse_engine_only(fields, CHAT_ENGINE_ONLY)
    check_template(fields)
    messages = fields.members.get("messages")
    if not isinstance(messages, list) or not messages:
        raise fields.refuse("messages", 'a list of {"role", "content"} that is not empty was expected')
    return asked(tuple(read_message(each, index) for index, each in enumerate(messages)), fields, limits)


def read_completion(fields: Fields, limits: Limits) -> Asked:
    """The body of ``/v1/completions``, for a program: its prompt is the question."""
    refuse_engine_only(fields, COMPLETION_ENGINE_ONLY)
    check_template(fields)
    prompt = fields.members.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt.strip():
        raise fields.refuse("prompt", f"a text was expected; several, or tokens, {PASS_IT_THROUGH}")
    return asked((Message("user", prompt),), fields, limits)


def asked(messages: tuple[Message, ...], fields: Fields, limits: Limits) -> Asked:
    num_chars = sum(len(each.content) for each in messages)
    if num_chars > limits.max_prompt_chars:
        what = f"the conversation has {num_chars} characters; at most {limits.max_prompt_chars} are allowed"
        raise Refused(Refusal.bad_field("messages", what, "prompt_too_long"))
    return Asked(messages, read_sampling(fields, limits))


def read_message(message: object, index: int) -> Message:
    path = f"messages[{index}]"
    if not isinstance(message, dict):
        raise Refused(Refusal.bad_field(path, f"{path} is {kind_of(message)}; an object was expected"))
    fields = Fields(message, path)
    role = fields.choice("role", ROLES)
    if role is None:
        raise fields.refuse("role", f"one of {', '.join(ROLES)} was expected")
    if message.get("tool_calls") or message.get("function_call"):
        raise Refused(Refusal.bad_field(path, f"{path} calls a tool; a conversation with tools {PASS_IT_THROUGH}"))
    return Message("system" if role == "developer" else role, read_content(fields))


def read_content(fields: Fields) -> str:
    content = fields.members.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise fields.refuse("content", "a string or a list of text parts was expected")
    return "".join(read_part(fields, part) for part in content)


def read_part(fields: Fields, part: object) -> str:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type") if isinstance(part, dict) else part
    path = fields.path("content")
    message = f"{path} has a part of type {shown(kind)}; a program reads text, anything else {PASS_IT_THROUGH}"
    raise Refused(Refusal.bad_field(path, message))


def read_sampling(fields: Fields, limits: Limits) -> Sampling:
    max_tokens = fields.whole("max_completion_tokens", 1, limits.max_request_tokens)
    return Sampling(
        temperature=fields.number("temperature", 0, 2),
        top_p=read_above_0(fields, "top_p", 1),
        max_tokens=fields.whole("max_tokens", 1, limits.max_request_tokens) if max_tokens is None else max_tokens,
        stop=read_stop(fields),
        seed=fields.whole("seed", -LARGEST_SEED - 1, LARGEST_SEED),
        top_k=fields.whole("top_k", -1, LARGEST_TOP_K),
        min_p=fields.number("min_p", 0, 1),
        repetition_penalty=read_above_0(fields, "repetition_penalty", LARGEST_REPETITION_PENALTY),
        frequency_penalty=fields.number("frequency_penalty", -2, 2),
        presence_penalty=fields.number("presence_penalty", -2, 2),
    )


def read_thinking(fields: Fields) -> bool | None:
    """``enable_thinking``, as chat templates have it. What else a template is told is the engine's to judge."""
    template = fields.members.get(TEMPLATE)
    thinking = template.get(ENABLE_THINKING) if isinstance(template, dict) else None
    return thinking if isinstance(thinking, bool) else None


def check_template(fields: Fields) -> None:
    """Refuse what a program cannot ask of a chat template: anything but whether to think."""
    template = fields.object(TEMPLATE)
    if template is None:
        return
    for name in template.members:
        if name != ENABLE_THINKING:
            path = template.path(shortened(name))
            message = f"{path} is nothing that a reasoning program can ask of a template; it {PASS_IT_THROUGH}"
            raise Refused(Refusal.bad_field(path, message, "unsupported_field"))
    template.flag(ENABLE_THINKING)


def read_above_0(fields: Fields, name: str, most: float) -> float | None:
    value = fields.number(name, 0, most)
    if value == 0:
        raise fields.refuse(name, f"a number above 0 and up to {most:g} was expected")
    return value


def read_stop(fields: Fields) -> tuple[str, ...]:
    stop = fields.members.get("stop")
    stops = [] if stop is None else [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or len(stops) > MAX_STOPS or not all(isinstance(each, str) for each in stops):
        raise fields.refuse("stop", f"a string or a list of at most {MAX_STOPS} strings was expected")
    return tuple(stops)


PASS_IT_THROUGH = f'can be passed through to the engine: "dynasor": {{"program": "{PASS_THROUGH}"}}'


def is_set(value: object) -> bool:
    return value not in (None, False, 0, "", [], {})


def is_several(value: object) -> bool:
    return value not in (None, 1)


def is_formatted(value: object) -> bool:
    return is_set(value) and not (isinstance(value, dict) and value.get("type") == "text")


OF_ENGINES: Mapping[str, Callable[[object], bool]] = {
    "structured_outputs": is_set,
    "guided_json": is_set,
    "guided_regex": is_set,
    "guided_choice": is_set,
    "guided_grammar": is_set,
}
"""What vLLM, SGLang or llama.cpp take besides OpenAI's members, and many clients send."""

CHAT_ENGINE_ONLY: Mapping[str, Callable[[object], bool]] = {
    **OF_ENGINES,
    "n": is_several,
    "tools": is_set,
    "functions": is_set,
    "response_format": is_formatted,
    "logprobs": is_set,
    "top_logprobs": is_set,
    "logit_bias": is_set,
    "audio": is_set,
    "prediction": is_set,
    "web_search_options": is_set,
}
"""What changes an answer and only the engine can do, with whether a value asks for it."""

COMPLETION_ENGINE_ONLY: Mapping[str, Callable[[object], bool]] = {
    **OF_ENGINES,
    **{name: CHAT_ENGINE_ONLY[name] for name in ("n", "logit_bias")},
    "best_of": is_several,
    "echo": is_set,
    "suffix": is_set,
    "logprobs": lambda value: value is not None,
}


def refuse_engine_only(fields: Fields, engine_only: Mapping[str, Callable[[object], bool]]) -> None:
    for name, asks in engine_only.items():
        if asks(fields.members.get(name)):
            value = shown(fields.members[name])
            message = f"{fields.path(name)} is {value}, which a reasoning program cannot do; it {PASS_IT_THROUGH}"
            raise Refused(Refusal.bad_field(name, message, "unsupported_field"))
