"""A file of questions: one JSON object a line, ours or the OpenAI Batch API's. Read twice, never held.

Ours is ``{"id": "...", "question": "...", "reference": "..."}`` (the reference is optional); the other is
``{"custom_id": "...", "method": "POST", "url": "/v1/chat/completions", "body": {...}}``. Further keys of
our format are ignored; in the body, what we cannot honour is an error.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dynasor.batch.disk_index import DiskIndex
from dynasor.errors import InputError
from dynasor.vocabulary import JSON, Message, Question, Sampling


class LineFormat(StrEnum):
    PLAIN = "plain"
    OPENAI = "openai"


CHAT_URL = "/v1/chat/completions"
SAMPLING_KEYS = (
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "top_k", "min_p"),
    *("repetition_penalty", "frequency_penalty", "presence_penalty"),
)
MESSAGE_KEYS = ("role", "content")
BODY_KEYS = ("model", "messages", "n", "user", "metadata", *SAMPLING_KEYS)


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """A checked input: every line of it can be read as a question, and no id comes twice."""

    path: Path
    format: LineFormat
    num_questions: int
    model: str | None
    """The model that OpenAI lines ask for; all that name one name the same."""
    digest: str
    """SHA-256 of the content, to tell whether a resumed run still has the same input."""

    def __iter__(self) -> Iterator[Question]:
        for _, question in _questions(self.path, self.format):
            yield question

    def in_random_order(self, seed: int) -> Iterator[Question]:
        """All of them, in an order drawn from ``seed``. Where the lines are is held, not what they say."""
        numbers, places = array("Q"), array("Q")
        place = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    numbers.append(number)
                    places.append(place)
                place += len(line)
            order = array("Q", range(len(places)))
            random.Random(seed).shuffle(order)
            for each in order:
                file.seek(places[each])
                yield _question(self.path, numbers[each], file.readline(), self.format)


def check_questions(path: Path) -> QuestionFile:
    """Read the whole file once. Raises InputError with file, line and what was expected."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    format = _format_of(path)
    num_questions = 0
    model: str | None = None
    with DiskIndex() as seen:
        for number, question in _questions(path, format):
            num_questions += 1
            model = model or question.model
            if question.model not in (None, model):
                raise InputError(
                    f"{path}:{number}: the model is {question.model!r}; lines before ask for {model!r}, "
                    "and a file can have one model only"
                )
            if not seen.add(question.id, str(number)):
                raise InputError(
                    f"{path}:{number}: the id {question.id!r} was used before, on line {seen.get(question.id)}"
                )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return QuestionFile(path, format, num_questions, model, digest)


def _format_of(path: Path) -> LineFormat:
    for number, line in _lines(path):
        return LineFormat.OPENAI if "custom_id" in _object(path, number, line) else LineFormat.PLAIN
    raise InputError(f"{path}: the file has no questions; one JSON object a line was expected")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line


def _questions(path: Path, format: LineFormat) -> Iterator[tuple[int, Question]]:
    for number, line in _lines(path):
        yield number, _question(path, number, line, format)


def _question(path: Path, number: int, line: bytes, format: LineFormat) -> Question:
    read = _plain_question if format is LineFormat.PLAIN else _openai_question
    try:
        return read(_object(path, number, line))
    except _Unreadable as problem:
        raise InputError(f"{path}:{number}: {problem}") from None


class _Unreadable(Exception):
    """What is wrong with a line; the caller knows which."""


def _object(path: Path, number: int, line: bytes) -> JSON:
    try:
        value = json.loads(line, parse_constant=_no_number)
    except ValueError as error:
        raise InputError(f"{path}:{number}: this is not JSON ({error}); one JSON object a line was expected") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}:{number}: a JSON object was expected, this is {_kind(value)}")
    return value


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _plain_question(line: JSON) -> Question:
    reference = line.get("reference")
    if isinstance(reference, bool) or not isinstance(reference, str | int | float | None):
        raise _Unreadable(f'"reference" is {_kind(reference)}; a string or a number was expected')
    text = _text(line, "question")
    return Question.of_text(text, _id(line, "id"), None if reference is None else str(reference))


def _openai_question(line: JSON) -> Question:
    id = _id(line, "custom_id")
    if line.get("method", "POST") != "POST":
        raise _Unreadable(f'"method" is {line["method"]!r}; "POST" was expected')
    if line.get("url") != CHAT_URL:
        raise _Unreadable(f'"url" is {line.get("url")!r}; "{CHAT_URL}" was expected')
    body = line.get("body")
    if not isinstance(body, dict):
        raise _Unreadable(f'"body" is {_kind(body)}; a JSON object was expected')
    unknown = sorted(set(body) - set(BODY_KEYS))
    if unknown:
        raise _Unreadable(
            f'"body" has {", ".join(unknown)}, which a batch cannot honour; known are {", ".join(BODY_KEYS)}'
        )
    if body.get("n", 1) != 1:
        raise _Unreadable(f'"n" is {body["n"]!r}; how many samples are drawn is set by --max-samples')
    model = _text(body, "model") if "model" in body else None
    return Question(id, _messages(body), sampling=_sampling(body), model=model)


def _messages(body: JSON) -> tuple[Message, ...]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _Unreadable('"messages" is missing or empty; a list of {"role", "content"} was expected')
    for message in messages:
        if not (isinstance(message, dict) and isinstance(message.get("role"), str)):
            raise _Unreadable('every message must be an object with a "role"')
        if unknown := sorted(set(message) - set(MESSAGE_KEYS)):
            raise _Unreadable(f"a message has {', '.join(unknown)}, which a batch cannot honour")
        if not isinstance(message.get("content"), str):
            raise _Unreadable(f"the content of a message is {_kind(message.get('content'))}; a string was expected")
    return tuple(Message(message["role"], _encodable("content", message["content"])) for message in messages)


def _sampling(body: JSON) -> Sampling:
    stop = body.get("stop") or []
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(text, str) for text in stops):
        raise _Unreadable(f'"stop" is {_kind(stop)}; a string or a list of strings was expected')
    max_tokens = _whole_number(body, "max_completion_tokens", 1)
    return Sampling(
        temperature=_number(body, "temperature", 0, 2),
        top_p=_number(body, "top_p", 0, 1),
        max_tokens=_whole_number(body, "max_tokens", 1) if max_tokens is None else max_tokens,
        stop=tuple(stops),
        seed=_whole_number(body, "seed"),
        top_k=_whole_number(body, "top_k", -1),
        min_p=_number(body, "min_p", 0, 1),
        repetition_penalty=_number(body, "repetition_penalty", 0, 2),
        frequency_penalty=_number(body, "frequency_penalty", -2, 2),
        presence_penalty=_number(body, "presence_penalty", -2, 2),
    )


def _number(body: JSON, key: str, least: float, most: float = math.inf) -> float | None:
    """The number under ``key``; None if there is none."""
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _Unreadable(f'"{key}" is {_kind(value)}; a number was expected')
    if not least <= value <= most:
        limits = f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
        raise _Unreadable(f'"{key}" is {value}; {limits} was expected')
    return value


def _whole_number(body: JSON, key: str, least: float = -math.inf) -> int | None:
    value = _number(body, key, least)
    if value is None or isinstance(value, int):
        return value
    raise _Unreadable(f'"{key}" is {value}; a whole number was expected')


def _id(line: JSON, key: str) -> str:
    value = line.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(line, key)


def _text(line: JSON, key: str) -> str:
    if key not in line:
        present = ", ".join(json.dumps(name) for name in line) or "nothing"
        raise _Unreadable(f'"{key}" is missing; the object has {present}')
    value = line[key]
    if not isinstance(value, str) or not value.strip():
        raise _Unreadable(f'"{key}" is {_kind(value)}; a string that is not empty was expected')
    return _encodable(key, value)


def _encodable(key: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Unreadable(f'"{key}" has half of a surrogate pair, which is no character') from None
    return text


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    if isinstance(value, str) and not value.strip():
        return "an empty string"
    return "null" if value is None else names[type(value)]
