"""Traces: recorded samples of a model, many for each question, one question a line.

A line is a JSON object with ``id`` and ``samples``, a list of objects with ``answer`` (string, or null for
none) and, where known, ``correct`` (true or false), ``tokens`` and ``chars`` (whole numbers) and ``reward`` (a
number). Two samples answer the same if their answers are the same string. The line may tell ``model``,
``dataset`` and ``program``; further keys are ignored. The file may be gzip.

Result lines of ``dynasor batch --keep-samples`` are read as well; their samples stand under ``branches``.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, Protocol, TypeVar

import orjson

from dynasor.errors import InputError
from dynasor.vocabulary import JSON

GZIP_MAGIC = b"\x1f\x8b"
ORIGIN = ("model", "dataset", "program")
ENDINGS = (".gz", ".jsonl", ".json")
Origin = tuple[str | None, str | None, str | None]
"""What a file's lines say of model, dataset and program; None where they do not, or differ."""
CHARS_PER_TOKEN = 4
"""A rule of thumb for English and code, for traces that recorded no tokens."""


class WithId(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=WithId)


@dataclass(frozen=True, slots=True)
class RecordedSample:
    """One sample: its answer (None: it had none), whether that is right, how long the sample was, and the reward
    it got, on the scale of whoever recorded it."""

    answer: str | None
    correct: bool | None = None
    tokens: int | None = None
    chars: int | None = None
    reward: float | None = None


@dataclass(frozen=True, slots=True)
class RecordedQuestion:
    id: str
    samples: tuple[RecordedSample, ...]

    @property
    def marks(self) -> Mapping[str | None, bool] | None:
        """Whether each answer is right, by its first mark. No answer is wrong, and so is one that nobody marked
        beside others that somebody did. None if no answer is marked."""
        marks: dict[str | None, bool] = {}
        for sample in self.samples:
            if sample.answer is not None and sample.correct is not None:
                marks.setdefault(sample.answer, sample.correct)
        answers = {sample.answer for sample in self.samples if sample.answer is not None}
        if answers and not marks:
            return None
        return {answer: marks.get(answer, False) for answer in (None, *answers)}

    def without_marks(self) -> RecordedQuestion:
        return RecordedQuestion(self.id, tuple(replace(sample, correct=None) for sample in self.samples))


@dataclass(frozen=True, slots=True)
class Trace:
    """A file's questions; ``name`` is the file's, without .jsonl.gz. ``model``, ``dataset`` and ``program`` are what
    all its lines say; None where they do not, or differ."""

    name: str
    questions: tuple[RecordedQuestion, ...]
    model: str | None = None
    dataset: str | None = None
    program: str | None = None

    @property
    def token_counts(self) -> str | None:
        """Where the length of its samples comes from: ``recorded`` tokens, or ``chars``; None if from neither."""
        for name, attribute in (("recorded", "tokens"), ("chars", "chars")):
            if all(getattr(sample, attribute) is not None for each in self.questions for sample in each.samples):
                return name
        return None


def read_trace(path: Path) -> Trace:
    """Read a whole trace. Raises InputError with file, line and what was expected."""
    questions, origin = read_lines(path, _question)
    return Trace(_name_of(path), questions, *origin)


def read_lines(path: Path, read: Callable[[JSON], Item]) -> tuple[tuple[Item, ...], Origin]:
    """What ``read`` makes of each line, and what all lines say of model, dataset and program. InputError with file,
    line and what was expected, also where an id comes twice."""
    lines: dict[str, int] = {}
    items = []
    origins = set()
    for number, line in _lines(path):
        try:
            value = _object(line)
            item = read(value)
            if item.id in lines:
                raise Unreadable(f"the id {item.id!r} was used before, on line {lines[item.id]}")
        except Unreadable as problem:
            raise InputError(f"{path}:{number}: {problem}") from None
        lines[item.id] = number
        items.append(item)
        origins.add(tuple(value.get(key) for key in ORIGIN))
    if not items:
        raise InputError(f"{path}: the file has no questions; one JSON object a line was expected")
    model, dataset, program = (_agreed(origins, place) for place in range(len(ORIGIN)))
    return tuple(items), (model, dataset, program)


def _agreed(origins: set[tuple[str | None, ...]], place: int) -> str | None:
    found = {origin[place] for origin in origins}
    return found.pop() if len(found) == 1 else None


def _name_of(path: Path) -> str:
    name = path.name
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return name or path.name


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    content = path.read_bytes()
    if content.startswith(GZIP_MAGIC):
        content = _unpacked(path, content)
    elif path.suffix == ".gz" and content:
        raise InputError(f"{path}: this is no gzip file, as its name says; gzip or plain JSON lines were expected")
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            yield number, line


def _unpacked(path: Path, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path}: the gzip file is damaged or not whole: {error}") from None


class Unreadable(Exception):
    """What is wrong with a line; the caller knows which."""


def _object(line: bytes) -> JSON:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"this is not JSON ({error}); one JSON object a line was expected") from None
    if not isinstance(value, dict):
        raise Unreadable(f"this is {_kind(value)}; a JSON object was expected")
    for key in ORIGIN:
        field_of(dict.fromkeys(ORIGIN) | value, key, "a string or null", str, NoneType)
    return value


def _question(value: JSON) -> RecordedQuestion:
    id = field_of(value, "id", "a string", str, int)
    if "branches" not in value and type(value.get("samples")) is int:
        raise Unreadable('"samples" is how many there were; `dynasor batch --keep-samples` keeps what they said')
    samples = field_of(value, "branches" if "branches" in value else "samples", "a list", list)
    if not samples:
        raise Unreadable('"samples" is empty; at least one sample was expected')
    return RecordedQuestion(str(id), tuple(_sample(number, each) for number, each in enumerate(samples, 1)))


def _sample(number: int, value: object) -> RecordedSample:
    if not isinstance(value, dict):
        raise Unreadable(f'sample {number} is {_kind(value)}; an object with "answer" was expected')
    known = UNKNOWN | value
    try:
        return RecordedSample(
            answer=field_of(value, "answer", "a string or null", str, NoneType),
            correct=field_of(known, "correct", "true, false or null", bool, NoneType),
            tokens=_length(known, "tokens"),
            chars=_length(known, "chars"),
            reward=field_of(known, "reward", "a number or null", int, float, NoneType),
        )
    except Unreadable as problem:
        raise Unreadable(f"sample {number}: {problem}") from None


def _length(value: JSON, key: str) -> int | None:
    length: int | None = field_of(value, key, "a whole number or null", int, NoneType)
    if length is not None and length < 0:
        raise Unreadable(f'"{key}" is {length}; at least 0 was expected')
    return length


def field_of(value: JSON, key: str, expected: str, *kinds: type) -> Any:
    if key not in value:
        raise Unreadable(f'"{key}" is missing; {expected} was expected')
    if type(value[key]) not in kinds:
        raise Unreadable(f'"{key}" is {_kind(value[key])}; {expected} was expected')
    return value[key]


UNKNOWN: JSON = {"correct": None, "tokens": None, "chars": None, "reward": None}

NAMES: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number with a decimal point",
    NoneType: "null",
}


def _kind(value: object) -> str:
    return NAMES[type(value)]
