"""``dynasor batch``: a file of questions in, a file of results out, resumable."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated

import orjson
import typer

from dynasor.answers import AnswerReader
from dynasor.batch import BatchJob, QuestionFile, baseline_path, check_questions, manifest_path, run_batch
from dynasor.cli import options
from dynasor.cli.batch_display import BatchDisplay, show_summary
from dynasor.cli.budget import (
    BUDGET,
    SamplesPerQuestionOption,
    TokenBudgetOption,
    budget_fingerprint,
    check_budget_options,
    make_budget,
)
from dynasor.errors import InputError
from dynasor.rewards import entered
from dynasor.vocabulary import JSON

SOME_FAILED = 1
INTERRUPTED = 130


@options.with_run_options
def batch(
    questions: Annotated[
        Path, typer.Argument(help='JSON lines: {"id", "question", "reference"?}, or the OpenAI Batch format.')
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Result lines; an unfinished file is resumed.")],
    run: options.RunOptions,
    compare: Annotated[
        str | None, typer.Option(help="`fixed`: also run the baseline that always takes all samples.")
    ] = None,
    token_budget: TokenBudgetOption = None,
    samples_per_question: SamplesPerQuestionOption = None,
    keep_samples: Annotated[
        bool, typer.Option(help="Write every sample's answer into the results, for `dynasor calibrate` and `replay`.")
    ] = False,
    summary: Annotated[Path | None, typer.Option(help="Write the summary to this file as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON, no table.")] = False,
) -> None:
    """Answer every question of a file. Kill it at any moment; the same command goes on where it stopped.

    Example: `dynasor batch questions.jsonl -o answers.jsonl --engine http://127.0.0.1:8000 --compare fixed`
    """
    check_budget_options(token_budget, samples_per_question, run)
    allocator, run_options, reward = run.make_allocator(), run.make_options(), run.open_reward()
    check_comparison(compare, run.allocator_name)
    check_files(questions, output, summary)
    run.make_program(reward)
    checked = check_questions(questions)
    budget = make_budget(token_budget, samples_per_question, checked.num_questions, run.cap)

    async def work() -> JSON:
        async with entered(reward), run.open_engine() as engine, AnswerReader(run.answers) as reader:
            if run.model is None:
                check_model(checked, engine.info.model)
            job = BatchJob(
                questions=checked,
                output=output,
                program=partial(run.make_program, reward),
                allocator_name=BUDGET if budget else run.allocator_name,
                allocator=allocator,
                options=run_options,
                fingerprint={
                    "model": engine.info.model,
                    "questions": checked.digest,
                    **run.fingerprint(),
                    **budget_fingerprint(token_budget, samples_per_question),
                    "--compare": compare,
                    "--keep-samples": keep_samples,
                },
                concurrency=run.capacity,
                watch=run.make_watch(engine.info.model),
                keep_samples=keep_samples,
                compare_fixed=compare is not None,
                budget=budget,
            )
            with BatchDisplay(checked.num_questions, run.cap) as display:
                return await run_batch(job, engine, reader, display.report, display.hear)

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
    options.check_can_be_written(output, {"the questions": questions})
    if summary is not None:
        taken = {"the questions": questions, "--output": output, "its run file": manifest_path(output)}
        options.check_can_be_written(summary, taken | {"the baseline's results": baseline_path(output)})


def write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
