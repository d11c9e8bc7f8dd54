"""Input files: what is accepted, and the whole text of every error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynasor.batch import LineFormat, check_questions
from dynasor.errors import InputError
from dynasor.vocabulary import Message, Question, Sampling


def write(folder: Path, *lines: object) -> Path:
    path = folder / "in.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def openai(custom_id: str = "a", **body: object) -> dict[str, object]:
    messages = [{"role": "user", "content": "1+1?"}]
    url = "/v1/chat/completions"
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": "m", "messages": messages, **body}}


def test_plain_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path, {"id": "a", "question": "1+1?", "reference": 2}, "", {"id": 7, "question": "why?", "level": 3}
    )
    checked = check_questions(path)
    assert (checked.format, checked.num_questions) == (LineFormat.PLAIN, 2)
    assert list(checked) == [Question.of_text("1+1?", "a", "2"), Question.of_text("why?", "7")]
    assert list(checked) == list(checked), "it can be read again"


def test_openai_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        openai(temperature=0.5, max_completion_tokens=9, stop="x", seed=3, n=1, top_k=-1, min_p=0.1),
        openai("b"),
    )
    checked = check_questions(path)
    assert checked.format is LineFormat.OPENAI
    first, second = checked
    sampling = Sampling(temperature=0.5, max_tokens=9, stop=("x",), seed=3, top_k=-1, min_p=0.1)
    assert first == Question("a", (Message("user", "1+1?"),), sampling=sampling, model="m")
    assert checked.model == "m"
    assert second.sampling == Sampling()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "{path}: the file has no questions; one JSON object a line was expected"),
        (["", "  "], "{path}: the file has no questions; one JSON object a line was expected"),
        (
            [{"id": "a", "question": "?"}, "{broken"],
            "{path}:2: this is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); "
            "one JSON object a line was expected",
        ),
        (["[1]"], "{path}:1: a JSON object was expected, this is a list"),
        ([{"id": "a"}], '{path}:1: "question" is missing; the object has "id"'),
        ([{}], '{path}:1: "question" is missing; the object has nothing'),
        ([{"question": "?"}], '{path}:1: "id" is missing; the object has "question"'),
        (
            [{"id": "a", "question": ""}],
            '{path}:1: "question" is an empty string; a string that is not empty was expected',
        ),
        ([{"id": "a", "question": 3}], '{path}:1: "question" is a number; a string that is not empty was expected'),
        ([{"id": None, "question": "?"}], '{path}:1: "id" is null; a string that is not empty was expected'),
        (
            [{"id": "a", "question": "?", "reference": [1]}],
            '{path}:1: "reference" is a list; a string or a number was expected',
        ),
        (
            [{"id": "a", "question": "?"}, {"id": "b", "question": "?"}, {"id": "a", "question": "?"}],
            "{path}:3: the id 'a' was used before, on line 1",
        ),
        ([openai(), {"id": "a", "question": "?"}], '{path}:2: "custom_id" is missing; the object has "id", "question"'),
        (
            [{**openai(), "url": "/v1/embeddings"}],
            '{path}:1: "url" is \'/v1/embeddings\'; "/v1/chat/completions" was expected',
        ),
        ([{**openai(), "method": "GET"}], '{path}:1: "method" is \'GET\'; "POST" was expected'),
        ([{**openai(), "body": None}], '{path}:1: "body" is null; a JSON object was expected'),
        (
            [openai(tools=[], stream=True)],
            '{path}:1: "body" has stream, tools, which a batch cannot honour; known are model, messages, n, user, '
            "metadata, temperature, top_p, max_tokens, max_completion_tokens, stop, seed, top_k, min_p, "
            "repetition_penalty, frequency_penalty, presence_penalty",
        ),
        ([openai(n=4)], '{path}:1: "n" is 4; how many samples are drawn is set by --max-samples'),
        (
            [openai(messages=[])],
            '{path}:1: "messages" is missing or empty; a list of {{"role", "content"}} was expected',
        ),
        ([openai(messages=[{"content": "x"}])], '{path}:1: every message must be an object with a "role"'),
        (
            [openai(messages=[{"role": "user", "content": []}])],
            "{path}:1: the content of a message is a list; a string was expected",
        ),
        ([openai(temperature="hot")], '{path}:1: "temperature" is a string; a number was expected'),
        ([openai(max_tokens=1.5)], '{path}:1: "max_tokens" is 1.5; a whole number was expected'),
        ([openai(max_tokens=0)], '{path}:1: "max_tokens" is 0; at least 1 was expected'),
        ([openai(temperature=-3)], '{path}:1: "temperature" is -3; from 0 to 2 was expected'),
        ([openai(seed=True)], '{path}:1: "seed" is a boolean; a number was expected'),
        (
            [openai(model="a"), openai("b", model="b")],
            "{path}:2: the model is 'b'; lines before ask for 'a', and a file can have one model only",
        ),
        (
            [openai(messages=[{"role": "user", "content": "?", "tool_calls": []}])],
            "{path}:1: a message has tool_calls, which a batch cannot honour",
        ),
        (
            [{"id": "a", "question": "?", "reference": True}],
            '{path}:1: "reference" is a boolean; a string or a number was expected',
        ),
        (
            ['{"id": "a", "question": "?", "reference": NaN}'],
            "{path}:1: this is not JSON (NaN is not a JSON value); one JSON object a line was expected",
        ),
        (
            ['{"id": "a", "question": "\\ud800"}'],
            '{path}:1: "question" has half of a surrogate pair, which is no character',
        ),
        ([{"id": " ", "question": "?"}], '{path}:1: "id" is an empty string; a string that is not empty was expected'),
        ([openai(stop=3)], '{path}:1: "stop" is a number; a string or a list of strings was expected'),
    ],
)
def test_bad_input(tmp_path: Path, lines: list[object], message: str) -> None:
    path = write(tmp_path, *lines)
    with pytest.raises(InputError) as caught:
        check_questions(path)
    assert str(caught.value) == message.format(path=path)


def test_numbers_of_any_length_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path, '{"id": "a", "question": "?", "reference": 123456789012345678901234567890}')
    assert [question.reference for question in check_questions(path)] == ["123456789012345678901234567890"]


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        check_questions(tmp_path / "none.jsonl")
