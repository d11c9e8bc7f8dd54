"""Runs: programs that were watched on their way to the cap, as ``dynasor batch --allocator watch --keep-samples`` wrote
them down.

A line is a result line with ``looks``, a list of objects with ``units`` (of the knob, spent by then), ``agreement``,
``answer`` and, with a reference, ``correct``. The last is how the program ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import NoneType

from dynasor.replay.traces import Unreadable, field_of, read_lines
from dynasor.vocabulary import JSON


@dataclass(frozen=True, slots=True)
class Look:
    """What an allocator saw at one place: units of the knob spent, agreement, and the answer then (its key)."""

    units: int
    agreement: float
    answer: str | None
    correct: bool | None = None


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """The looks at one question, the last of them at its end, the cap it was run to, the units granted at once, and
    the parameters of the program that were set (NAME=VALUE)."""

    id: str
    looks: tuple[Look, ...]
    max_samples: int
    wave: int | None = None
    settings: tuple[str, ...] = ()
    tokens: int | None = None
    """Produced for it in all; None: not recorded."""


@dataclass(frozen=True, slots=True)
class Runs:
    """A file's runs, and what all its lines say of model, dataset and program; None where they do not, or differ."""

    runs: tuple[RecordedRun, ...]
    model: str | None
    dataset: str | None
    program: str | None


def read_runs(path: Path) -> Runs:
    """Read a whole file. Raises InputError with file, line and what was expected."""
    runs, (model, dataset, program) = read_lines(path, _run)
    return Runs(runs, model, dataset, program)


def _run(value: JSON) -> RecordedRun:
    id = field_of(value, "id", "a string", str, int)
    looks = field_of(value, "looks", "a list, as `dynasor batch --allocator watch --keep-samples` writes", list)
    if not looks:
        raise Unreadable('"looks" is empty; at least the end of the program was expected')
    return RecordedRun(
        id=str(id),
        looks=tuple(_look(number, look) for number, look in enumerate(looks, 1)),
        max_samples=field_of(value, "max_samples", "a whole number", int),
        wave=field_of({"wave": None} | value, "wave", "a whole number or null", int, NoneType),
        settings=tuple(field_of({"settings": []} | value, "settings", "a list", list)),
        tokens=_tokens(field_of({"usage": None} | value, "usage", "an object or null", dict, NoneType)),
    )


def _tokens(usage: JSON | None) -> int | None:
    """What a result line's usage comes to."""
    return None if usage is None else sum(field_of(usage, kind, "a whole number", int) for kind in usage)


def _look(number: int, value: object) -> Look:
    if not isinstance(value, dict):
        raise Unreadable(f'look {number} is {value!r}; an object with "agreement" was expected')
    try:
        return Look(
            units=field_of(value, "units", "a whole number", int),
            agreement=float(field_of(value, "agreement", "a number", float, int)),
            answer=field_of(value, "answer", "a string or null", str, NoneType),
            correct=field_of({"correct": None} | value, "correct", "true, false or null", bool, NoneType),
        )
    except Unreadable as problem:
        raise Unreadable(f"look {number}: {problem}") from None
