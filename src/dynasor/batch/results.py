"""Results: one line a question, appended and synced as each finishes, so that a kill loses none of them.

Beside ``OUT.jsonl`` lies ``OUT.jsonl.run.json``: the options it is being written with. The same command
goes on where the file ends; another one is refused. The file alone says which questions are done.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import orjson

from dynasor.batch.disk_index import DiskIndex
from dynasor.batch.questions import LineFormat
from dynasor.errors import InputError
from dynasor.vocabulary import JSON, Answer, Question, StopReason, Usage

USAGE_KINDS = ("main", "probe", "score", "cancelled")


def answer_record(question: Question, answer: Answer, correct: bool | None) -> JSON:
    """The output line of a question that was worked on to its end."""
    record: JSON = {
        "id": question.id,
        "answer": answer.text,
        "certaindex": round(answer.certaindex.value, 4),
        "stop_reason": answer.stop_reason.value,
        "samples": answer.num_samples,
        "usage": _usage(answer.usage),
        **_read(answer.usage),
    }
    if correct is not None:
        record["correct"] = correct
    return record


def failure_record(question: Question, error: str, usage: Usage) -> JSON:
    """The output line of a question that failed; with a reference it counts as answered wrongly."""
    record: JSON = {
        "id": question.id,
        "answer": None,
        "certaindex": None,
        "stop_reason": StopReason.FAILED.value,
        "samples": 0,
        "usage": _usage(usage),
        **_read(usage),
        "error": error,
    }
    if question.reference is not None:
        record["correct"] = False
    return record


def _usage(usage: Usage) -> JSON:
    return {kind: getattr(usage, kind) for kind in USAGE_KINDS}


def _read(usage: Usage) -> JSON:
    """Tokens that a reward read. They stand beside ``usage``, whose kinds are tokens produced."""
    return {"score_prompt": usage.score_prompt} if usage.score_prompt else {}


def openai_line(record: JSON, answer: Answer | None, model: str) -> JSON:
    """``record`` as a line of the OpenAI Batch API's output, where it stands under ``dynasor``; ``answer`` is None
    for a question that failed."""
    line: JSON = {"id": f"batch_req_{record['id']}", "custom_id": record["id"], "response": None, "error": None}
    line["dynasor"] = record
    if answer is None:
        line["error"] = {"code": "engine_error", "message": record["error"]}
        return line
    produced, prompt_tokens = answer.usage.produced, answer.usage.prompt
    body = {
        "id": f"chatcmpl-{record['id']}",
        "object": "chat.completion",
        "model": model,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": answer.solution}, "finish_reason": "stop"},
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": produced,
            "total_tokens": prompt_tokens + produced,
        },
    }
    line["response"] = {"status_code": 200, "request_id": line["id"], "body": body}
    return line


def record_of_line(line: JSON, format: LineFormat) -> JSON:
    """The record in a result line. KeyError or TypeError if it is none of ours."""
    record: JSON = line["dynasor"] if format is LineFormat.OPENAI else line
    for key in ("id", "answer", "stop_reason", "samples", "usage"):
        record[key]
    return record


def _read_manifest(path: Path) -> JSON:
    try:
        stored = orjson.loads(path.read_bytes())
        if isinstance(stored["options"], dict) and isinstance(stored["elapsed_s"], dict):
            return dict(stored)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        pass
    raise InputError(f"{path} is not a run file of ours; choose another --output")


@dataclass(slots=True)
class Manifest:
    """The options a result file is written with, and the seconds each arm has run so far."""

    path: Path
    options: JSON
    elapsed_s: dict[str, float]

    @classmethod
    def open(cls, path: Path, options: JSON) -> Manifest:
        """The manifest at ``path``, new if there is none. InputError if it was made with other options."""
        if not path.exists():
            manifest = cls(path, options, {})
            manifest.save()
            return manifest
        stored = _read_manifest(path)
        changed = [
            f"{name} was {stored['options'].get(name)!r}, is {options.get(name)!r}"
            for name in sorted({*options, *stored["options"]})
            if stored["options"].get(name) != options.get(name)
        ]
        if changed:
            raise InputError(
                f"{path} belongs to a run with other options: {'; '.join(changed)}. "
                "Use the same options to resume, or another --output"
            )
        return cls(path, options, stored["elapsed_s"])

    def save(self) -> None:
        """Replace the file as a whole, so that a kill leaves the old one or the new one."""
        partial = self.path.with_name(self.path.name + ".partial")
        with partial.open("wb") as file:
            file.write(orjson.dumps({"options": self.options, "elapsed_s": self.elapsed_s}, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)
        _sync_folder(self.path.parent)


class ResultFile:
    """A file of result lines that is being appended to. ``done`` holds the ids that ``read_done`` found in it."""

    def __init__(self, path: Path, format: LineFormat) -> None:
        self.path = path
        self.format = format
        self.done = DiskIndex()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        self._file = self.path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise InputError(
                f"{self.path} is being written by another run; wait for it or use another --output"
            ) from None
        _drop_partial_line(self._file)
        _sync_folder(self.path.parent)
        return self

    def read_done(self) -> Iterator[JSON]:
        """The records in the file; each enters ``done`` as it is read."""
        for record in self.records():
            self.done.add(record["id"])
            yield record

    def __exit__(self, *exc_info: object) -> None:
        assert self._file is not None
        self._file.close()
        self.done.__exit__()

    def append(self, line: JSON) -> None:
        """Write one line and wait until it is on the disk."""
        assert self._file is not None, "append outside the with block"
        self._file.write(orjson.dumps(line) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def records(self) -> Iterator[JSON]:
        """The records in the file, from the start."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield record_of_line(orjson.loads(line), self.format)
                except (orjson.JSONDecodeError, KeyError, TypeError):
                    raise InputError(f"{self.path}:{number}: this is not a result line of ours") from None


def _drop_partial_line(file: BinaryIO) -> None:
    """Cut what a killed run left behind the last full line."""
    size = file.seek(0, os.SEEK_END)
    keep = size
    while keep > 0:
        start = max(0, keep - 65536)
        file.seek(start)
        newline = file.read(keep - start).rfind(b"\n")
        if newline >= 0:
            keep = start + newline + 1
            break
        keep = start
    if keep != size:
        file.truncate(keep)
    file.seek(0, os.SEEK_END)


def _sync_folder(folder: Path) -> None:
    """Make new names in ``folder`` survive a crash."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
