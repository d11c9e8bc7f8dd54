"""``dynasor solve``: one question, worked on before your eyes."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from dynasor.answers import AnswerReader
from dynasor.cli.options import JsonOption
from dynasor.cli.output import open_console, print_json
from dynasor.cli.run_options import RunOptions
from dynasor.cli.spreading import with_options
from dynasor.errors import InputError
from dynasor.events import CertaindexMeasured, Event, Listener, ignore
from dynasor.rewards import entered
from dynasor.runtime import Runtime
from dynasor.vocabulary import JSON, Answer, Question


@with_options
def solve(
    question: Annotated[str, typer.Argument(help="The question, or - to read it from standard input.")],
    run: RunOptions,
    as_json: JsonOption = False,
) -> None:
    """Answer one question, showing how sure the answer is as samples come in.

    Example: `dynasor solve "A shop has 47 boxes of 56 pens. How many pens are there?"`
    """
    asked = Question.of_text(read_question(question))
    listener = ignore if as_json else _teller(open_console(stderr=True))
    allocator, run_options, reward = run.make_allocator(), run.make_options(), run.open_reward()
    program = run.make_program(reward)

    async def work() -> Answer:
        async with entered(reward), run.open_engine() as engine, AnswerReader(run.answers) as reader:
            run.make_watch(engine.info.model)
            runtime = Runtime(engine, reader, concurrency=run.capacity, listener=listener)
            return await runtime.run(asked, program, allocator, run_options)

    answer = asyncio.run(work())
    if as_json:
        print_json(_to_json(answer), indented=False)
    else:
        _show(answer)


def read_question(argument: str) -> str:
    text = sys.stdin.read() if argument == "-" else argument
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError("the question is not valid UTF-8 text") from None
    if not text.strip():
        raise InputError("the question is empty")
    return text


def _teller(console: Console) -> Listener:
    def tell(event: Event) -> None:
        if isinstance(event, CertaindexMeasured):
            answer = escape(event.answer or "no answer yet")
            console.print(f"[dim]sample {event.finished:>3}  certaindex {event.certaindex.value:.3f}  {answer}[/dim]")

    return tell


def _show(answer: Answer) -> None:
    console = open_console()
    if answer.solution:
        console.print(escape(answer.solution.strip()) + "\n")
    console.print(f"[bold]answer      {escape(answer.text or 'none of the samples had one')}[/bold]")
    console.print(f"certaindex  {answer.certaindex.value:.3f}  (stopped: {answer.stop_reason})")
    console.print(f"samples     {answer.num_samples}")
    console.print(f"tokens      {answer.usage.produced}  ({answer.usage.cancelled} of them in cancelled samples)")
    if answer.usage.score_prompt:
        console.print(f"scoring     {answer.usage.score_prompt} tokens read by the reward")
    console.print(f"time        {answer.duration_s:.2f} s")


def _to_json(answer: Answer) -> JSON:
    usage = answer.usage
    return {
        "answer": answer.text,
        "solution": answer.solution,
        "certaindex": answer.certaindex.value,
        "signals": dict(answer.certaindex.signals),
        "stop_reason": answer.stop_reason,
        "samples": answer.num_samples,
        "usage": {"main": usage.main, "probe": usage.probe, "score": usage.score, "cancelled": usage.cancelled},
        "score_prompt": usage.score_prompt,
        "duration_s": answer.duration_s,
    }
