"""``dynasor chat``: a conversation with a server, or with an engine that is run from here."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

import typer
from rich.console import Console

from dynasor.answers import AnswerReader
from dynasor.chat import Choice, Conversation, Dialogue, Ending, Source
from dynasor.chat.commands import EFFORTS
from dynasor.chat.local import LocalSource
from dynasor.chat.screens import JsonScreen, PlainScreen, Screen
from dynasor.chat.server import ServerSource
from dynasor.chat.terminal import TerminalScreen
from dynasor.cli.exit_codes import ExitCode
from dynasor.cli.run_options import RunOptions
from dynasor.cli.spreading import with_options
from dynasor.engines.opening import EMBEDDED
from dynasor.engines.protocol import Engine
from dynasor.errors import EngineUnreachable, InputError
from dynasor.parameters import parameters_of, split_settings
from dynasor.programs import PROGRAMS, load_program, make_program
from dynasor.rewards import entered
from dynasor.runtime import Runtime
from dynasor.serving.default_program import default_program
from dynasor.serving.requests import PASS_THROUGH
from dynasor.vocabulary import Sampling

DEFAULT_URL = "http://127.0.0.1:8200"
EXIT_CODES = {
    Ending.DONE: ExitCode.DONE,
    Ending.SOME_FAILED: ExitCode.SOME_FAILED,
    Ending.INTERRUPTED: ExitCode.INTERRUPTED,
}
FOR_SERVERS = frozenset({"model", "api_key", "program", "temperature", "top_p", "top_k", "min_p", "max_tokens"})
"""Shared options that mean something to a server; it decides the others."""
NOT_ASKED_FOR = frozenset({"engine", "reward_api_key"})
"""Those that may be set though nobody wrote them."""


@with_options
def chat(
    run: RunOptions,
    url: Annotated[
        str | None, typer.Option(help=f"An OpenAI-compatible server, ours or another. [default: {DEFAULT_URL}]")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine", "-e", help="In place of --url: URL of an engine, a .gguf file or `embedded`, worked from here."
        ),
    ] = None,
    api_key: Annotated[
        str | None, typer.Option("--api-key", "--key", help="Key for a URL.", envvar="DYNASOR_API_KEY")
    ] = None,
    program: Annotated[
        str | None,
        typer.Option(
            "--program",
            "-p",
            help=f"Reasoning program: {', '.join(PROGRAMS)}, or yours as module:Class. "
            "[default: the server's, or what suits the model]",
        ),
    ] = None,
    effort: Annotated[str | None, typer.Option(help="How long to think: low, medium or high.")] = None,
    system: Annotated[str | None, typer.Option(help="What the model is told before the conversation.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each answer as a line of JSON, also one that failed.")
    ] = False,
) -> None:
    """Talk with a model: answers as they are written, thinking folded, how sure each is and what it took.

    Ctrl-C stops an answer and Ctrl-D ends the chat; /help lists what can be changed on the fly. Without a terminal
    each line of the input is a question.

    Example: `dynasor chat --engine embedded`
    """
    if url is not None and engine is not None:
        raise InputError("--url and --engine both say who answers; choose one")
    if effort is not None and effort not in EFFORTS:
        raise InputError(f"--effort is {effort!r}; choose {', '.join(EFFORTS)}")
    run = dataclasses.replace(run, engine=engine or EMBEDDED, api_key=api_key, program=program)
    prepare_streams()

    async def work() -> Ending:
        async with open_local(run) if engine is not None else open_server(run, url or DEFAULT_URL) as source:
            choice = Choice(None if engine is not None else program, effort)
            source.check(choice)
            screen = JsonScreen() if as_json else open_screen(source)
            if engine == EMBEDDED:
                screen.note("The embedded model is tiny; it was trained on arithmetic word problems and nothing else.")
            return await Dialogue(source, screen, Conversation(system, choice=choice)).run()

    try:
        ending = asyncio.run(work())
    except KeyboardInterrupt:
        ending = Ending.INTERRUPTED
    raise typer.Exit(EXIT_CODES[ending])


def prepare_streams() -> None:
    """Let no character of a question or an answer end the chat because a stream cannot encode it."""
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "replace"), (sys.stderr, "replace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def open_screen(source: Source) -> Screen:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return PlainScreen()
    screen = TerminalScreen(Console(highlight=False))
    screen.note(f"{source.greeting}; /help lists the commands, Ctrl-D ends the chat")
    return screen


@asynccontextmanager
async def open_server(run: RunOptions, url: str) -> AsyncIterator[Source]:
    check_for_server(run)
    sampling = Sampling(
        temperature=run.temperature, top_p=run.top_p, max_tokens=run.max_tokens, top_k=run.top_k, min_p=run.min_p
    )
    server = ServerSource(url, model=run.model, api_key=run.api_key, sampling=sampling)
    async with AsyncExitStack() as stack:
        try:
            source = await stack.enter_async_context(server)
        except EngineUnreachable as error:
            advice = "`dynasor serve` starts a server, and --engine embedded needs none"
            raise EngineUnreachable(f"{error}. {advice}") from error
        yield source


def check_for_server(run: RunOptions) -> None:
    """InputError for an option that a server would not hear of."""
    for each in dataclasses.fields(run):
        if each.name not in FOR_SERVERS | NOT_ASKED_FOR and getattr(run, each.name) != each.default:
            name = each.name.replace("_", "-")
            raise InputError(f"--{name} is for an --engine; a server at a --url decides that by itself")


@asynccontextmanager
async def open_local(run: RunOptions) -> AsyncIterator[Source]:
    if run.audit_share is not None:
        raise InputError("--audit-share is for `dynasor batch`; a chat audits nothing")
    allocator, run_options, reward = run.make_allocator(), run.make_options(), run.open_reward()
    async with entered(reward), run.open_engine() as engine, AnswerReader(run.answers) as reader:
        run.make_watch(engine.info.model)
        yield LocalSource(
            greeting=f"{engine.info.model} on {run.engine}",
            runtime=Runtime(engine, reader, concurrency=run.capacity),
            make_program=lambda name, given: make_program(name, reward if takes_reward(name) else None, given),
            default_program=await choose_program(run, engine),
            default_settings=split_settings(run.program_settings, "--set"),
            allocator=allocator,
            options=run_options,
        )


async def choose_program(run: RunOptions, engine: Engine) -> str:
    """The program that the options name, else what a server would choose for this model."""
    if run.program or run.preset or run.profile:
        return run.program_name
    chosen = await default_program(engine)
    return "single" if chosen == PASS_THROUGH else chosen


def takes_reward(program: str) -> bool:
    return "reward" in parameters_of(load_program(program))
