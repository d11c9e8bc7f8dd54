"""Traces are read as they were written, and what is no trace is refused by file, line and reason."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dynasor.errors import InputError
from dynasor.replay import RecordedQuestion, RecordedSample, read_trace
from tests.replay.recorded import line, question, write_trace

GOOD = b'{"id": "q", "samples": [{"answer": "1"}]}\n'


@pytest.mark.parametrize("name", ["some.trace.jsonl", "some.trace.jsonl.gz", "some.trace.json", "some.trace"])
def test_plain_and_gzip_are_the_same(tmp_path: Path, name: str) -> None:
    trace = read_trace(write_trace(tmp_path / name, line("x", "ab-"), line("y", "a", None)))
    assert trace.name == "some.trace"
    assert trace.questions == (question("x", "ab-"), question("y", "a", None))


def test_gzip_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(gzip.compress(GOOD))
    assert read_trace(path).questions[0].id == "q"


def test_what_is_not_recorded_is_unknown_and_further_keys_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"id": 7, "dataset": "d", "samples": [{"answer": null, "seed": 1}, {"answer": "é", "correct": true, '
        '"tokens": 5, "chars": 20, "reward": 1}, {"answer": "", "reward": 0.5}]}\n\n'
    )
    samples = (RecordedSample(None), RecordedSample("é", True, 5, 20, 1), RecordedSample("", reward=0.5))
    assert read_trace(path).questions == (RecordedQuestion("7", samples),)


def test_what_drew_the_samples_is_what_all_lines_say(tmp_path: Path) -> None:
    origin = {"model": "m", "dataset": "d"}
    path = write_trace(tmp_path / "t", line("x", "a") | origin, line("y", "a") | origin | {"dataset": "e"})
    trace = read_trace(path)
    assert (trace.model, trace.dataset, trace.program) == ("m", None, None)


def test_lengths_come_from_tokens_else_characters(tmp_path: Path) -> None:
    def token_counts(*samples: str) -> str | None:
        path = tmp_path / "t.jsonl"
        path.write_text('{"id": "q", "samples": [' + ",".join(samples) + "]}")
        return read_trace(path).token_counts

    both, chars, neither = '{"answer":"1","tokens":3,"chars":9}', '{"answer":"1","chars":9}', '{"answer":"1"}'
    assert token_counts(both, both) == "recorded"
    assert token_counts(both, chars) == "chars", "one unit for all samples of a trace"
    assert token_counts(both, neither) is None


def test_marks_are_by_answer_and_no_answer_is_wrong() -> None:
    assert question("q", "aab-").marks == {None: False, "a": True, "b": False}
    assert question("q", "ab", None).marks is None
    assert question("q", "--", None).marks == {None: False}
    half = RecordedQuestion("q", (RecordedSample("a", True), RecordedSample("b", None)))
    assert half.marks == {None: False, "a": True, "b": False}, "not marked beside one that is"
    contradicting = RecordedQuestion("q", (RecordedSample("a", True), RecordedSample("a", False)))
    assert contradicting.marks == {None: False, "a": True}, "the first mark of an answer holds"


def test_without_marks_nothing_tells_what_is_right() -> None:
    bare = question("q", "ab-").without_marks()
    assert bare == question("q", "ab-", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ": the file has no questions; one JSON object a line was expected"),
        (GOOD + b"[1]\n", ":2: this is a list; a JSON object was expected"),
        (GOOD + b'\n{"samples": []}', ':3: "id" is missing; a string was expected'),
        (b'{"id": 1.5, "samples": []}', ':1: "id" is a number with a decimal point; a string was expected'),
        (b'{"id": true, "samples": []}', ':1: "id" is a boolean; a string was expected'),
        (b'{"id": "q"}', ':1: "samples" is missing; a list was expected'),
        (
            b'{"id": "q", "samples": 3}',
            ':1: "samples" is how many there were; `dynasor batch --keep-samples` keeps what they said',
        ),
        (b'{"id": "q", "samples": {}}', ':1: "samples" is an object; a list was expected'),
        (b'{"id": "q", "samples": []}', ':1: "samples" is empty; at least one sample was expected'),
        (
            b'{"id": "q", "samples": [{"answer": "1"}, null]}',
            ':1: sample 2 is null; an object with "answer" was expected',
        ),
        (b'{"id": "q", "samples": [{}]}', ':1: sample 1: "answer" is missing; a string or null was expected'),
        (
            b'{"id": "q", "samples": [{"answer": 4}]}',
            ':1: sample 1: "answer" is a number; a string or null was expected',
        ),
        (
            b'{"id": "q", "samples": [{"answer": "4", "correct": 1}]}',
            ':1: sample 1: "correct" is a number; true, false or null was expected',
        ),
        (
            b'{"id": "q", "samples": [{"answer": "4", "tokens": -1}]}',
            ':1: sample 1: "tokens" is -1; at least 0 was expected',
        ),
        (
            b'{"id": "q", "samples": [{"answer": "4", "chars": true}]}',
            ':1: sample 1: "chars" is a boolean; a whole number or null was expected',
        ),
        (
            b'{"id": "q", "samples": [{"answer": "4", "reward": "high"}]}',
            ':1: sample 1: "reward" is a string; a number or null was expected',
        ),
        (GOOD + b'{"id": "r", "model": 4}', ':2: "model" is a number; a string or null was expected'),
        (GOOD + GOOD, ":2: the id 'q' was used before, on line 1"),
    ],
)
def test_what_is_no_trace_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_trace(path)
    assert str(caught.value) == f"{path}{message}"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.jsonl", b"so it goes\n", ":1: this is not JSON"),
        ("t.jsonl", b'{"id": "\xff"}\n', ":1: this is not JSON"),
        ("t.jsonl.gz", GOOD, ": this is no gzip file, as its name says; gzip or plain JSON lines were expected"),
        ("t.jsonl.gz", gzip.compress(GOOD)[:-12], ": the gzip file is damaged or not whole"),
        ("t.jsonl.gz", gzip.compress(GOOD)[:12] + b"damage", ": the gzip file is damaged or not whole"),
        ("t.jsonl.gz", b"\x1f\x8bnothing", ": the gzip file is damaged or not whole"),
        ("t.jsonl", b"\x1f\x8bnothing", ": the gzip file is damaged or not whole"),
    ],
)
def test_what_cannot_be_decoded_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_trace(tmp_path)
