"""The batch job on scripted samples: results, resuming, failures, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dynasor import Agreement, AnswerReader, Options
from dynasor.batch import BatchJob, LineFormat, check_questions, run_batch
from dynasor.batch.results import ResultFile
from dynasor.errors import EngineFailed, EngineRejected, EngineTimeout, EngineUnreachable, InputError
from dynasor.programs.self_consistency import SelfConsistency
from dynasor.runtime import Recovery
from dynasor.scheduling import AdaptiveCapacity
from dynasor.vocabulary import JSON, Message, Request
from tests.in_process_engine import InProcessEngine, Reply, Script, says


def write_questions(folder: Path, count: int, format: str = "plain") -> Path:
    path = folder / "in.jsonl"
    with path.open("w") as file:
        for i in range(count):
            line: JSON = {"id": f"q{i}", "question": f"What is {i}?", "reference": "1"}
            if format == "openai":
                body = {"model": "scripted", "messages": [{"role": "user", "content": f"What is {i}?"}]}
                line = {"custom_id": f"q{i}", "method": "POST", "url": "/v1/chat/completions", "body": body}
            file.write(json.dumps(line) + "\n")
    return path


def make_job(questions: Path, **changes: object) -> BatchJob:
    job = BatchJob(
        questions=check_questions(questions),
        output=questions.parent / "out.jsonl",
        program=SelfConsistency,
        allocator_name="agreement",
        allocator=Agreement(),
        options=Options(max_samples=8),
        fingerprint={"--max-samples": 8, "--seed": 0},
        concurrency=4,
    )
    return replace(job, **changes)  # type: ignore[arg-type]  # a test's own keyword arguments


async def run(job: BatchJob, script: Script) -> tuple[JSON, InProcessEngine]:
    async with InProcessEngine(script) as engine, AnswerReader() as reader:
        return await run_batch(job, engine, reader), engine


def lines_of(path: Path) -> list[JSON]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_output_lines_and_summary(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 20))
    summary, engine = await run(job, says("1"))
    lines = lines_of(job.output)
    assert sorted(line["id"] for line in lines) == sorted(f"q{i}" for i in range(20))
    usage = {"main": 9, "probe": 0, "score": 0, "cancelled": 0}
    first = next(line for line in lines if line["id"] == "q0")
    certaindex = first.pop("certaindex")
    assert 0.98 <= certaindex <= 1.0
    assert first == {
        "id": "q0",
        "answer": "1",
        "stop_reason": "certain",
        "samples": 3,
        "usage": usage,
        "correct": True,
    }
    assert summary["arms"]["agreement"]["accuracy"] == 1.0
    assert summary["arms"]["agreement"]["tokens_per_question"]["total"] * 20 == engine.produced


async def test_compare_runs_the_baseline_on_the_same_samples(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 6), compare_fixed=True)
    summary, _ = await run(job, says("1"))
    assert list(summary["arms"]) == ["fixed", "agreement"]
    assert summary["token_saving"] == pytest.approx(1 - 3 / 8)
    assert summary["accuracy_difference"] == 0.0
    assert summary["even_allocation"]["samples"] == 1
    fixed = lines_of(tmp_path / "out.fixed.jsonl")
    assert len(fixed) == 6
    assert fixed[0]["branches"] == [{"answer": "1", "tokens": 3, "correct": True}] * 8


async def test_a_finished_job_run_again_spends_nothing(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 5))
    first, _ = await run(job, says("1"))
    again, engine = await run(job, says("1"))
    assert engine.produced == 0
    assert again["arms"]["agreement"]["questions"] == first["arms"]["agreement"]["questions"] == 5
    assert len(lines_of(job.output)) == 5


async def test_resuming_cuts_half_a_line_and_does_only_what_is_missing(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 10))
    await run(job, says("1"))
    whole = job.output.read_bytes().splitlines(keepends=True)
    job.output.write_bytes(b"".join(whole[:4]) + whole[4][:17])
    _, engine = await run(job, says("1"))
    assert len({request.program_id for request in engine.requests}) == 6
    assert sorted(line["id"] for line in lines_of(job.output)) == sorted(f"q{i}" for i in range(10))


async def test_changed_options_are_refused_and_named(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 3))
    await run(job, says("1"))
    before = job.output.read_bytes()
    changed = replace(job, fingerprint={"--max-samples": 16, "--seed": 0})
    with pytest.raises(InputError) as caught:
        await run(changed, says("1"))
    assert str(caught.value) == (
        f"{tmp_path / 'out.jsonl.run.json'} belongs to a run with other options: --max-samples was 8, is 16. "
        "Use the same options to resume, or another --output"
    )
    assert job.output.read_bytes() == before


async def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 3))
    job.output.write_text("precious\n")
    with pytest.raises(InputError, match="exists, but no run of ours wrote it; choose another --output"):
        await run(job, says("1"))
    assert job.output.read_text() == "precious\n"


@pytest.mark.parametrize("content", ["", "[]", '{"options": 3}', "{"])
async def test_a_run_file_that_is_not_ours(tmp_path: Path, content: str) -> None:
    job = make_job(write_questions(tmp_path, 1))
    (tmp_path / "out.jsonl.run.json").write_text(content)
    with pytest.raises(InputError, match="is not a run file of ours; choose another --output"):
        await run(job, says("1"))


@pytest.mark.parametrize("line", ['{"foo": 1}', "[1]", "3", "nonsense"])
async def test_a_result_line_that_is_not_ours(tmp_path: Path, line: str) -> None:
    job = make_job(write_questions(tmp_path, 1))
    job.open_manifest()
    job.output.write_text(line + "\n")
    with pytest.raises(InputError, match=":1: this is not a result line of ours"):
        await run(job, says("1"))


def fails_for(question: str, error: EngineRejected | EngineUnreachable) -> Script:
    def script(request: Request) -> Reply:
        if isinstance(request.prompt, tuple) and request.prompt[0].content == question:
            return Reply("", num_tokens=2, fails_after=1, error=error)
        return Reply("\\boxed{1}")

    return script


async def test_one_failing_question_is_recorded_and_the_rest_goes_on(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 8))
    summary, engine = await run(job, fails_for("What is 3?", EngineRejected("the prompt is too long")))
    lines = {line["id"]: line for line in lines_of(job.output)}
    assert len(lines) == 8
    assert lines["q3"]["stop_reason"] == "failed"
    assert lines["q3"]["error"] == "the prompt is too long"
    assert lines["q3"]["answer"] is None
    assert lines["q3"]["correct"] is False
    arm = summary["arms"]["agreement"]
    assert (arm["questions"], arm["answered"], arm["failed"]) == (8, 7, 1)
    assert sum(sum(line["usage"].values()) for line in lines.values()) == engine.produced


async def test_an_engine_that_goes_away_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 30))
    with pytest.raises(EngineUnreachable, match="gone"):
        await run(job, fails_for("What is 17?", EngineUnreachable("gone")))
    done = lines_of(job.output)
    assert 0 < len(done) < 30
    assert all(line["stop_reason"] == "certain" for line in done)
    await run(job, says("1"))
    assert sorted(line["id"] for line in lines_of(job.output)) == sorted(f"q{i}" for i in range(30))


async def test_an_engine_that_breaks_once_is_asked_again_and_both_runs_are_counted(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 3))
    broken: set[str] = set()

    def script(request: Request) -> Reply:
        if request.prompt == (Message("user", "What is 1?"),) and not broken:
            broken.add(request.id)
            return Reply("", num_tokens=3, fails_after=2, error=EngineFailed("the stream was cut"))
        return Reply("\\boxed{1}")

    summary, engine = await run(job, script)
    assert summary["arms"]["agreement"]["failed"] == 0
    assert summary["arms"]["agreement"]["tokens_per_question"]["total"] * 3 == engine.produced
    assert {line["stop_reason"] for line in lines_of(job.output)} == {"certain"}


async def test_an_engine_that_breaks_and_is_gone_ends_the_run(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 30))
    asked: list[Request] = []

    def script(request: Request) -> Reply:
        asked.append(request)
        if len(asked) < 20:
            return Reply("\\boxed{1}")
        error = EngineFailed("the stream was cut") if len(asked) < 24 else EngineUnreachable("gone")
        return Reply("", fails_after=0, error=error)

    with pytest.raises(EngineUnreachable, match="gone"):
        await run(job, script)
    assert {line["stop_reason"] for line in lines_of(job.output)} == {"certain"}


async def test_an_engine_that_only_fails_ends_the_run_and_records_nothing(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 60), recovery=Recovery(max_tries=1, first_pause_s=0.01))
    asked: list[Request] = []

    def script(request: Request) -> Reply:
        asked.append(request)
        busy = EngineTimeout("it was silent for 300 s")
        return Reply("\\boxed{1}") if len(asked) < 60 else Reply("", fails_after=0, error=busy)

    with pytest.raises(EngineUnreachable) as caught:
        await run(job, script)
    assert str(caught.value) == (
        "the engine failed 8 questions in a row, the last because: it was silent for 300 s; "
        "the same command goes on from the results so far"
    )
    assert {line["stop_reason"] for line in lines_of(job.output)} == {"certain"}
    await run(job, says("1"))
    assert len(lines_of(job.output)) == 60


async def test_failures_between_successes_are_the_questions_own(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 30), recovery=Recovery(max_tries=1, first_pause_s=0.01))

    def script(request: Request) -> Reply:
        assert isinstance(request.prompt, tuple)
        fails = int(request.prompt[0].content[8:-1]) % 3 == 0
        return Reply("", fails_after=0, error=EngineFailed("broke")) if fails else Reply("\\boxed{1}")

    summary, _ = await run(job, script)
    assert (summary["arms"]["agreement"]["failed"], len(lines_of(job.output))) == (10, 30)


async def test_openai_format_in_and_out(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 4, "openai"), compare_fixed=True)
    script = fails_for("What is 2?", EngineRejected("too long"))
    await run(job, script)
    lines = {line["custom_id"]: line for line in lines_of(job.output)}
    response = lines["q0"]["response"]
    assert response["status_code"] == 200
    assert response["body"]["choices"][0]["message"] == {"role": "assistant", "content": "\\boxed{1}"}
    assert response["body"]["usage"] == {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}
    assert lines["q0"]["error"] is None
    assert lines["q0"]["dynasor"]["samples"] == 3
    assert lines["q2"]["response"] is None
    assert lines["q2"]["error"] == {"code": "engine_error", "message": "too long"}
    summary, engine = await run(job, script)
    assert engine.produced == 0
    assert summary["arms"]["agreement"]["failed"] == 1


async def test_two_runs_on_one_output_are_refused(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 3))
    job.open_manifest()
    with (
        ResultFile(job.output, LineFormat.PLAIN),
        pytest.raises(InputError, match=r"is being written by another run; wait for it or use another --output"),
    ):
        await run(job, says("1"))


async def test_how_many_requests_run_may_be_left_to_be_found(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 20), concurrency=AdaptiveCapacity(2, most=3))
    summary, engine = await run(job, says("1"))
    assert summary["arms"]["agreement"]["questions"] == 20
    assert engine.most_live <= 3


async def test_its_errors_are_the_same_where_caches_are_watched(tmp_path: Path) -> None:
    job = make_job(write_questions(tmp_path, 20), concurrency=AdaptiveCapacity(2), recovery=Recovery(patience_s=0.0))
    with pytest.raises(EngineUnreachable, match="gone"):
        await run(job, lambda request: Reply(error=EngineUnreachable("gone")))
