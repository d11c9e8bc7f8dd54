"""``dynasor solve``: one question, worked on before your eyes."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from dynasor.answers import AnswerReader, AnswerStyle
from dynasor.cli import options
from dynasor.engines.opening import EMBEDDED
from dynasor.errors import InputError
from dynasor.events import CertaindexMeasured, Event, Listener, ignore
from dynasor.programs import load_program
from dynasor.runtime import Options, Runtime
from dynasor.scheduling import make_allocator
from dynasor.vocabulary import JSON, Answer, Question


def solve(
    question: Annotated[str, typer.Argument(help="The question, or - to read it from standard input.")],
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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Answer one question, showing how sure the answer is as samples come in.

    Example: `dynasor solve "A shop has 47 boxes of 56 pens. How many pens are there?"`
    """
    text = read_question(question)
    console = Console(stderr=True, highlight=False)
    rule = make_allocator(allocator, max_change=max_change, threshold=threshold, detect_at=detect_at)
    run_options = Options(
        max_samples=max_samples,
        sampling=options.make_sampling(
            engine, temperature=temperature, top_p=top_p, max_tokens=max_tokens, thinking=thinking
        ),
        seed=seed,
    )
    make_program = load_program(program)

    async def work() -> Answer:
        listener = ignore if as_json else _teller(console)
        async with (
            options.open_chosen_engine(engine, model=model, api_key=api_key, slots=concurrency) as opened,
            AnswerReader(answers) as reader,
        ):
            runtime = Runtime(opened, reader, concurrency=concurrency, listener=listener)
            return await runtime.run(Question.of_text(text), make_program(), rule, run_options)

    answer = asyncio.run(work())
    if as_json:
        typer.echo(orjson.dumps(_to_json(answer)))
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
    console = Console(highlight=False)
    if answer.solution:
        console.print(escape(answer.solution.strip()) + "\n")
    console.print(f"[bold]answer      {escape(answer.text or 'none of the samples had one')}[/bold]")
    console.print(f"certaindex  {answer.certaindex.value:.3f}  (stopped: {answer.stop_reason})")
    console.print(f"samples     {answer.num_samples}")
    console.print(f"tokens      {answer.usage.produced}  ({answer.usage.cancelled} of them in cancelled samples)")
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
        "duration_s": answer.duration_s,
    }
