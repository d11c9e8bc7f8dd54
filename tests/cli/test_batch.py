"""``dynasor batch`` on the embedded model: the main job, its kill -9, and its error texts."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest

from dynasor.models.question_sets import Split, question_lines
from dynasor.programs import PROGRAMS
from dynasor.rewards import REWARD_CHOICES
from tests.cli.running import dynasor, lines_of, start


def write_questions(path: Path, count: int, levels: range = range(1, 4)) -> Path:
    lines = [line for line in question_lines(Split.TEST) if json.loads(line)["level"] in levels]
    path.write_text("\n".join(lines[:count]) + "\n")
    return path


def test_batch_compares_with_the_baseline_and_ends_with_a_table(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 12)
    output, summary_path = tmp_path / "out.jsonl", tmp_path / "summary.json"
    done = dynasor("batch", questions, "-o", output, "--compare", "fixed", "-n", "8", "--summary", summary_path)
    assert done.returncode == 0, done.stderr
    assert "tokens saved against the fixed cap" in done.stdout
    assert "12/12" in done.stderr
    summary = json.loads(summary_path.read_text())
    assert summary["token_saving"] > 0.2
    assert summary["arms"]["fixed"]["samples_per_question"] == 8
    assert len(lines_of(output)) == len(lines_of(tmp_path / "out.fixed.jsonl")) == 12
    usage = [line["usage"] for line in lines_of(output)]
    total = sum(sum(tokens.values()) for tokens in usage) / 12
    assert summary["arms"]["agreement"]["tokens_per_question"]["total"] == pytest.approx(total)


@pytest.mark.timeout(300)
def test_killed_five_times_and_resumed_gives_one_result_per_question(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 120, range(1, 4))
    output = tmp_path / "out.jsonl"
    command = ("batch", questions, "-o", output, "-n", "8", "--compare", "fixed")
    rng = random.Random(5)
    kills = 0
    while kills < 5:
        process = start(*command)
        began = time.monotonic()
        before = _size(tmp_path)
        while process.poll() is None and _size(tmp_path) == before and time.monotonic() - began < 60:
            time.sleep(0.02)
        time.sleep(0.5 * rng.random())
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it had ended by itself; the job is too short"
        kills += 1
    done = dynasor(*command)
    assert done.returncode == 0, done.stderr
    expected = sorted(json.loads(line)["id"] for line in questions.read_text().splitlines())
    for path in (output, tmp_path / "out.fixed.jsonl"):
        assert sorted(line["id"] for line in lines_of(path)) == expected


def test_ctrl_c_keeps_the_results_and_says_how_to_go_on(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 40, range(1, 6))
    with start("batch", questions, "-o", tmp_path / "out.jsonl", "-n", "8") as process:
        while _size(tmp_path) == 0:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=30)
    assert process.returncode == 130
    assert messages.decode().endswith("dynasor: interrupted; the same command goes on from here\n")
    assert 0 < len(lines_of(tmp_path / "out.jsonl")) < 40


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("out*.jsonl"))


def test_an_engine_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 3)
    done = dynasor("batch", questions, "-o", tmp_path / "out.jsonl", "--engine", "http://127.0.0.1:9")
    assert done.returncode == 3
    assert len(done.stderr.strip().splitlines()) == 1
    assert "http://127.0.0.1:9" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_a_prompt_too_long_for_the_model_fails_alone(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 3)
    with questions.open("a") as file:
        file.write(json.dumps({"id": "long", "question": "coins " * 40_000, "reference": "1"}) + "\n")
    done = dynasor("batch", questions, "-o", tmp_path / "out.jsonl", "-n", "2")
    assert done.returncode == 1, done.stderr
    lines = {line["id"]: line for line in lines_of(tmp_path / "out.jsonl")}
    assert len(lines) == 4
    assert lines["long"]["stop_reason"] == "failed"
    assert lines["long"]["error"]
    assert [line["stop_reason"] for id, line in lines.items() if id != "long"] == ["cap"] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--allocator", "magic"], "there is no allocator 'magic'; choose agreement, worth, threshold"),
        (["--max-change", "2"], "max_change is 2.0; a number from 0 up to, not including, 1 was expected"),
        (["--threshold", "0.5"], "threshold means nothing to the allocator agreement; it takes max_change"),
        (["--compare", "magic"], "--compare is 'magic'; 'fixed' was expected"),
        (["-a", "fixed", "--compare", "fixed"], "--compare fixed with --allocator fixed compares a thing with itself"),
        (
            ["--program", "magic"],
            f"there is no program 'magic'; choose {', '.join(PROGRAMS)} or your own as module:Class",
        ),
        (["--program", "json:loads"], "the program 'json:loads' has no execute(session) method"),
        (["--reward", "magic"], f"there is no reward 'magic'; choose {REWARD_CHOICES}"),
        (["--reward", "judge"], "the program self-consistency takes no reward"),
        (["-p", "best-of-n"], f"the program best-of-n needs a reward; choose {REWARD_CHOICES}"),
        (["--set", "width"], "--set is 'width'; name=value was expected"),
        (["--set", "a=1"], "the program self-consistency has no parameter 'a'; it takes no parameters"),
        (["--summary", "none/s.json"], "none: there is no such folder to write s.json into"),
        (["--temperature", "inf"], "--temperature is inf; a number of at least 0 was expected"),
        (["--top-p", "7"], "--top-p is 7.0; a number above 0 and up to 1 was expected"),
        (["--min-p", "nan"], "--min-p is nan; a number from 0 to 1 was expected"),
        (["--program", ":x"], "the program ':x' cannot be loaded: Empty module name"),
        (["--engine", "x"], "engine 'x' is unknown; expected 'embedded', a path ending in .gguf, or an http(s) URL"),
    ],
)
def test_unusable_options(tmp_path: Path, arguments: list[str], message: str) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 1)
    done = dynasor("batch", questions, "-o", tmp_path / "out.jsonl", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"dynasor: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out.jsonl").exists()


def test_bad_input_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    questions = tmp_path / "in.jsonl"
    questions.write_text('{"id": "a", "question": "?"}\n{"id": "a", "question": "?"}\n')
    done = dynasor("batch", questions, "-o", tmp_path / "out.jsonl")
    assert (done.returncode, done.stderr) == (2, f"dynasor: {questions}:2: the id 'a' was used before, on line 1\n")


@pytest.mark.parametrize("option", ["--output", "--summary"])
def test_files_are_not_written_over_one_another(tmp_path: Path, option: str) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 1)
    before = questions.read_bytes()
    arguments = {"--output": tmp_path / "out.jsonl", "--summary": tmp_path / "s.json", option: questions}
    done = dynasor("batch", questions, *(part for pair in arguments.items() for part in pair))
    message = f"dynasor: {questions} is the questions already; choose another file\n"
    assert (done.returncode, done.stderr) == (2, message)
    assert questions.read_bytes() == before
    arguments[option] = tmp_path
    done = dynasor("batch", questions, *(part for pair in arguments.items() for part in pair))
    assert (done.returncode, done.stderr) == (2, f"dynasor: {tmp_path} is a folder; a file to write was expected\n")


def test_another_model_is_refused(tmp_path: Path) -> None:
    body = {"model": "gpt-9", "messages": [{"role": "user", "content": "1+1?"}]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    questions = tmp_path / "in.jsonl"
    questions.write_text(json.dumps(line) + "\n")
    done = dynasor("batch", questions, "-o", tmp_path / "out.jsonl")
    assert done.returncode == 2
    assert done.stderr == (
        f"dynasor: {questions} asks for the model 'gpt-9'; the engine serves 'dynasor-tiny'. "
        "Name one with --model to use it all the same\n"
    )


def test_changed_options_are_refused(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 2)
    output = tmp_path / "out.jsonl"
    assert dynasor("batch", questions, "-o", output, "-n", "2").returncode == 0
    done = dynasor("batch", questions, "-o", output, "-n", "3")
    assert done.returncode == 2
    assert "--max-samples was 2, is 3" in done.stderr


def test_a_reward_scores_the_samples_of_a_batch(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 3)
    output = tmp_path / "out.jsonl"
    command = ("batch", questions, "-o", output, "-n", "3", "-p", "best-of-n", "-a", "fixed")
    done = dynasor(*command, "--reward", "judge")
    assert done.returncode == 0, done.stderr
    for line in lines_of(output):
        assert line["usage"]["score"] == 3
        assert line["score_prompt"] > line["usage"]["main"]
    done = dynasor(*command, "--reward", "likelihood")
    assert done.returncode == 2
    assert "--reward was 'judge', is 'likelihood'" in done.stderr


def test_a_reward_model_that_is_not_there_is_noticed_before_anything_is_spent(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 3)
    done = dynasor(
        "batch", questions, "-o", tmp_path / "out.jsonl", "-p", "best-of-n", "--reward", "http://127.0.0.1:9/pooling"
    )
    assert done.returncode == 3
    assert done.stderr.startswith("dynasor: cannot connect to http://127.0.0.1:9: Connection refused")
    assert not (tmp_path / "out.jsonl").exists()
