"""Traces for tests: a few recorded by hand, and the shared ones of real models where they are present."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from dynasor.replay import RecordedQuestion, RecordedSample, Trace, read_trace
from dynasor.vocabulary import JSON

SHARED = Path(__file__).parents[3] / "shared" / "traces"


def shared_trace(name: str) -> Trace:
    path = SHARED / f"{name}.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"{path} is absent: the shared traces are no part of the project")
    return read_trace(path)


def question(id: str, answers: str, right: str | None = "a") -> RecordedQuestion:
    """One sample for each character of ``answers`` (``-``: no answer), marked by ``right`` (None: not marked)."""
    samples = (
        RecordedSample(
            answer=None if answer == "-" else answer,
            correct=None if right is None or answer == "-" else answer == right,
            tokens=10,
        )
        for answer in answers
    )
    return RecordedQuestion(id, tuple(samples))


def line(id: str, answers: str, right: str | None = "a") -> JSON:
    """The same as a line of a trace."""
    samples = question(id, answers, right).samples
    return {"id": id, "samples": [{"answer": s.answer, "correct": s.correct, "tokens": s.tokens} for s in samples]}


def write_trace(path: Path, *lines: JSON) -> Path:
    content = "".join(json.dumps(each) + "\n" for each in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path
