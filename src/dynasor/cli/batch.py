"""``dynasor batch``: a file of questions in, a file of results out, resumable."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import orjson
import typer

from dynasor.answers import AnswerReader, AnswerStyle
from dynasor.batch import BatchJob, QuestionFile, baseline_path, check_questions, manifest_path, run_batch
from dynasor.cli import options
from dynasor.cli.batch_display import BatchDisplay, show_summary
from dynasor.engines.opening import EMBEDDED, model_digest
from dynasor.errors import InputError
from dynasor.programs import load_program
from dynasor.runtime import Options
from dynasor.scheduling import make_allocator
from dynasor.vocabulary import JSON

SOME_FAILED = 1
INTERRUPTED = 130


def batch(
    questions: Annotated[
        Path, typer.Argument(help='JSON lines: {"id", "question", "reference"?}, or the OpenAI Batch format.')
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Result lines; an unfinished file is resumed.")],
    engine: options.EngineOption = EMBEDDED,
    model: options.ModelOption = None,
    api_key: options.ApiKeyOption = None,
    program: options.ProgramOption = "self-consistency",
    allocator: options.AllocatorOption = "agreement",
    max_samples: options.MaxSamplesOption = 16,
    max_change: options.MaxChangeOption = None,
    threshold: options.ThresholdOption = None,
    detect_at: options.DetectAtOption = None,
    temperature: options.TemperatureOption = None,
    top_p: options.TopPOption = None,
    max_tokens: options.MaxTokensOption = None,
    thinking: options.ThinkingOption = None,
    answers: options.AnswersOption = AnswerStyle.MATH,
    seed: options.SeedOption = 0,
    concurrency: options.ConcurrencyOption = 32,
    compare: Annotated[
        str | None, typer.Option(help="`fixed`: also run the baseline that always takes all samples.")
    ] = None,
    summary: Annotated[Path | None, typer.Option(help="Write the summary to this file as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON, no table.")] = False,
) -> None:
    """Answer every question of a file. Kill it at any moment; the same command goes on where it stopped.

    Example: `dynasor batch questions.jsonl -o answers.jsonl --engine http://127.0.0.1:8000 --compare fixed`
    """
    rule = make_allocator(allocator, max_change=max_change, threshold=threshold, detect_at=detect_at)
    sampling = options.make_sampling(
        engine, temperature=temperature, top_p=top_p, max_tokens=max_tokens, thinking=thinking
    )
    check_comparison(compare, allocator)
    check_files(questions, output, summary)
    make_program = load_program(program)
    checked = check_questions(questions)
    fingerprint: JSON = {
        "questions": checked.digest,
        "model file": model_digest(engine),
        "--program": program,
        "--allocator": repr(rule),
        "--max-samples": max_samples,
        "--temperature": sampling.temperature,
        "--top-p": top_p,
        "--max-tokens": sampling.max_tokens,
        "--thinking": thinking,
        "--answers": answers.value,
        "--seed": seed,
        "--compare": compare,
    }

    async def work() -> JSON:
        async with (
            options.open_chosen_engine(engine, model=model, api_key=api_key, slots=concurrency) as opened,
            AnswerReader(answers) as reader,
        ):
            if model is None:
                check_model(checked, opened.info.model)
            job = BatchJob(
                questions=checked,
                output=output,
                program=make_program,
                allocator_name=allocator,
                allocator=rule,
                options=Options(max_samples=max_samples, sampling=sampling, seed=seed),
                fingerprint={"model": opened.info.model, **fingerprint},
                concurrency=concurrency,
                compare_fixed=compare is not None,
            )
            with BatchDisplay(checked.num_questions, max_samples) as display:
                return await run_batch(job, opened, reader, display.report)

    try:
        result = asyncio.run(work())
    except KeyboardInterrupt:
        typer.echo("dynasor: interrupted; the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED) from None
    present(result, summary, as_json=as_json)
    if any(arm["failed"] for arm in result["arms"].values()):
        raise typer.Exit(SOME_FAILED)


def present(result: JSON, summary: Path | None, *, as_json: bool) -> None:
    encoded = orjson.dumps(result, option=orjson.OPT_INDENT_2)
    if summary is not None:
        write_whole(summary, encoded + b"\n")
    if as_json:
        typer.echo(encoded)
    else:
        show_summary(result)


def check_comparison(compare: str | None, allocator: str) -> None:
    if compare not in (None, "fixed"):
        raise InputError(f"--compare is {compare!r}; 'fixed' was expected")
    if compare == allocator:
        raise InputError("--compare fixed with --allocator fixed compares a thing with itself")


def check_model(questions: QuestionFile, served: str) -> None:
    if questions.model not in (None, served):
        raise InputError(
            f"{questions.path} asks for the model {questions.model!r}; the engine serves {served!r}. "
            "Name one with --model to use it all the same"
        )


def check_files(questions: Path, output: Path, summary: Path | None) -> None:
    """InputError if a file to write is no place for one, or would overwrite another of this run."""
    check_can_be_written(output, {"the questions": questions})
    if summary is not None:
        taken = {"the questions": questions, "--output": output, "its run file": manifest_path(output)}
        check_can_be_written(summary, taken | {"the baseline's results": baseline_path(output)})


def check_can_be_written(path: Path, taken: dict[str, Path]) -> None:
    """InputError if ``path`` is no place for a file, or is that of something else."""
    if path.is_dir() or not path.name:
        raise InputError(f"{path} is a folder; a file to write was expected")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: there is no such folder to write {path.name} into")
    for what, other in taken.items():
        if path.resolve() == other.resolve():
            raise InputError(f"{path} is {what} already; choose another file")


def write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
