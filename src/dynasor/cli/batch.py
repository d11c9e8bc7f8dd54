"""``dynasor batch``: a file of questions in, a file of results out, resumable."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import orjson
import typer

from dynasor.answers import AnswerReader
from dynasor.batch import BatchJob, QuestionFile, baseline_path, check_questions, manifest_path, run_batch
from dynasor.cli.batch_display import BatchDisplay, show_summary
from dynasor.cli.budget import BUDGET, BudgetOptions
from dynasor.cli.exit_codes import ExitCode
from dynasor.cli.options import JsonOption
from dynasor.cli.output import check_all_can_be_written, check_can_be_written, print_json, write_whole
from dynasor.cli.report import ReportOption, write_report
from dynasor.cli.run_options import RunOptions
from dynasor.cli.spreading import with_options
from dynasor.errors import InputError
from dynasor.reports import open_report
from dynasor.rewards import Reward, entered
from dynasor.scheduling import Budget
from dynasor.vocabulary import JSON


@with_options
def batch(
    questions: Annotated[
        Path, typer.Argument(help='JSON lines: {"id", "question", "reference"?}, or the OpenAI Batch format.')
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Result lines; an unfinished file is resumed.")],
    run: RunOptions,
    budget: BudgetOptions,
    compare: Annotated[
        str | None, typer.Option(help="`fixed`: also run the baseline that always takes all samples.")
    ] = None,
    keep_samples: Annotated[
        bool, typer.Option(help="Write every sample's answer into the results, for `dynasor calibrate` and `replay`.")
    ] = False,
    summary: Annotated[Path | None, typer.Option(help="Write the summary to this file as JSON.")] = None,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer every question of a file. Kill it at any moment; the same command goes on where it stopped.

    Example: `dynasor batch questions.jsonl -o answers.jsonl --engine http://127.0.0.1:8000 --compare fixed`
    """
    run.check()
    budget.check(run)
    reward = run.open_reward()
    check_comparison(compare, run.allocator_name)
    check_files(questions, output, summary, report)
    run.make_program(reward)
    checked = check_questions(questions)
    plan = BatchPlan(
        questions=checked,
        output=output,
        run=run,
        reward=reward,
        budget_options=budget,
        budget=budget.make(checked.num_questions, run.cap),
        compare=compare,
        keep_samples=keep_samples,
    )
    result = worked(plan)
    present(result, summary, as_json=as_json)
    if report is not None:
        write_report(open_report([output], questions), report)
    if any(arm["failed"] for arm in result["arms"].values()):
        raise typer.Exit(ExitCode.SOME_FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """What is to be answered, and how: the options of ``dynasor batch``, checked."""

    questions: QuestionFile
    output: Path
    run: RunOptions
    reward: Reward | None
    budget_options: BudgetOptions
    budget: Budget | None
    compare: str | None
    keep_samples: bool

    async def work(self) -> JSON:
        """Answer what is not answered yet, and sum up all."""
        run = self.run
        async with entered(self.reward), run.open_engine() as engine, AnswerReader(run.answers) as reader:
            if run.model is None:
                check_model(self.questions, engine.info.model)
            job = self.job_for(engine.info.model)
            with BatchDisplay(self.questions.num_questions, run.cap) as display:
                return await run_batch(job, engine, reader, display.report, display.hear)

    def job_for(self, model: str) -> BatchJob:
        return BatchJob(
            questions=self.questions,
            output=self.output,
            program=partial(self.run.make_program, self.reward),
            allocator_name=BUDGET if self.budget else self.run.allocator_name,
            allocator=self.run.make_allocator(),
            options=self.run.make_options(),
            fingerprint=self.fingerprint(model),
            concurrency=self.run.capacity,
            watch=self.run.make_watch(model),
            keep_samples=self.keep_samples,
            compare_fixed=self.compare is not None,
            budget=self.budget,
        )

    def fingerprint(self, model: str) -> JSON:
        """Everything that changes results."""
        return {
            "model": model,
            "questions": self.questions.digest,
            **self.run.fingerprint(),
            **self.budget_options.fingerprint(),
            "--compare": self.compare,
            "--keep-samples": self.keep_samples,
        }


def worked(plan: BatchPlan) -> JSON:
    try:
        return asyncio.run(plan.work())
    except KeyboardInterrupt:
        typer.echo("dynasor: interrupted; the same command goes on from here", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def present(result: JSON, summary: Path | None, *, as_json: bool) -> None:
    if summary is not None:
        write_whole(summary, orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    if as_json:
        print_json(result)
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


def check_files(questions: Path, output: Path, summary: Path | None, report: Path | None) -> None:
    """InputError if a file to write is no place for one, or would overwrite another of this run."""
    check_can_be_written(output, {"the questions": questions})
    ours = {"--output": output, "its run file": manifest_path(output), "the baseline's results": baseline_path(output)}
    check_all_can_be_written({"--summary": summary, "--report": report}, {"the questions": questions, **ours})
