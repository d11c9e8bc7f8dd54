"""``dynasor serve``: an OpenAI-compatible server in which every request is a reasoning program."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from dynasor.answers import AnswerReader
from dynasor.cli.config import ConfigOption
from dynasor.cli.options import completing
from dynasor.cli.output import open_console, print_json
from dynasor.cli.run_options import RunOptions, open_chosen_engine
from dynasor.cli.spreading import with_options
from dynasor.engines import warn_if_priorities_are_ignored
from dynasor.engines.opening import EMBEDDED, is_local
from dynasor.engines.protocol import Engine
from dynasor.errors import EngineUnreachable, InputError
from dynasor.events import Listener
from dynasor.parameters import parameters_of, read_parameters, split_settings
from dynasor.programs import PROGRAMS, load_program, make_program
from dynasor.rewards import Reward, entered
from dynasor.runtime import DriftWatch, Runtime
from dynasor.scheduling import POLICIES, as_served
from dynasor.serving import KeyRing, Limits, Offer, Service, load_keys
from dynasor.serving.default_program import default_program
from dynasor.serving.requests import PASS_THROUGH
from dynasor.serving.server import Listening, serve_until_asked

POLICY = "sjf"
LOOK_AGAIN_S = 1.0
"""How often it is looked whether an engine that is waited for is there."""
LIMITS = ", ".join(str(each) for each in parameters_of(Limits).values())

EnginesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--engine",
        "-e",
        help="URL of an OpenAI-compatible server, a .gguf file or `embedded`; once for each replica of the model. "
        "[default: embedded]",
        envvar="DYNASOR_ENGINE",
    ),
]
ClientLimitOption = Annotated[
    list[str] | None,
    typer.Option("--client-limit", metavar="NAME=VALUE", help=f"What clients may ask for; once for each: {LIMITS}."),
]


@with_options
def serve(
    run: RunOptions,
    engine: EnginesOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")] = 8200,
    config: ConfigOption = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help="Keys of clients, one a line: key, name:key or name:key:weight.")
    ] = None,
    policy: Annotated[
        str,
        typer.Option(help=f"Whose request runs next: {', '.join(POLICIES)}.", autocompletion=completing(POLICIES)),
    ] = POLICY,
    default_deadline_s: Annotated[
        float | None, typer.Option(help="Seconds after which a program answers with the best it has.")
    ] = None,
    client_limit: ClientLimitOption = None,
    wait_s: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for engines that cannot be reached yet, as while they start.")
    ] = 0.0,
    grace_s: Annotated[float, typer.Option(min=0, help="Seconds that programs may still take at shutdown.")] = 30.0,
    cors_origin: Annotated[
        list[str] | None, typer.Option(help="Origin whose pages may ask from a browser; once for each. [default: none]")
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_prompts: Annotated[bool, typer.Option(help="Log what users write.")] = False,
    traces: Annotated[
        bool, typer.Option(help="Send OpenTelemetry traces, as OTEL_EXPORTER_OTLP_ENDPOINT and its like say.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON once it listens: url, model, ...")
    ] = False,
) -> None:
    """Serve reasoning programs to any OpenAI client.

    Example: `dynasor serve --engine http://127.0.0.1:8000 --api-key-file keys.txt`
    """
    engines = engine or [EMBEDDED]
    check_choices(engines, policy)
    start_logging(log_level)
    console = open_console(stderr=True)
    undertaking = Undertaking(
        run=dataclasses.replace(run, engine=engines[0]),
        engines=engines,
        policy=policy,
        default_deadline_s=default_deadline_s,
        keys=KeyRing() if api_key_file is None else load_keys(api_key_file),
        limits=make_limits(client_limit or ()),
        log_prompts=log_prompts,
        traces=traces,
        console=console,
        wait_s=wait_s,
        as_json=as_json,
    )
    warn_of_open_door(console, host, undertaking.keys)
    asyncio.run(undertaking.serve(Listening(host, port, tuple(cors_origin or ()), grace_s)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Undertaking:
    """What is to be served, and how: the options of ``dynasor serve``, checked."""

    run: RunOptions
    engines: Sequence[str]
    policy: str
    default_deadline_s: float | None
    keys: KeyRing
    limits: Limits
    log_prompts: bool
    traces: bool
    console: Console
    wait_s: float
    as_json: bool

    async def serve(self, listening: Listening) -> None:
        """Serve until somebody asks for an end."""
        reward = self.run.open_reward()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(entered(reward))
            replicas = await self._open_replicas(stack)
            await warn_of_ignored_priorities(replicas, self.engines)
            reader = await stack.enter_async_context(AnswerReader(self.run.answers))
            watch = self.run.make_watch(next(iter(replicas.values())).info.model)
            offer = await make_offer(self.run, replicas, reward, self.default_deadline_s)
            tracer = stack.enter_context(open_traces()) if self.traces else None
            service = self._open_service(replicas, reader, watch, offer, tracer)
            await serve_until_asked(service, listening, lambda url: self._announce(url, offer, replicas))

    async def _open_replicas(self, stack: AsyncExitStack) -> Mapping[str, Engine]:
        """All engines, entered, by the names that metrics and pages give them, once all can be reached. InputError if
        they serve several models."""
        due = asyncio.get_running_loop().time() + self.wait_s
        named = zip(replica_names(self.engines), self.engines, strict=True)
        replicas = {name: await self._open(stack, spec, due) for name, spec in named}
        models = {name: replica.info.model for name, replica in replicas.items()}
        if len(set(models.values())) > 1:
            described = ", ".join(f"{name} serves {model!r}" for name, model in models.items())
            raise InputError(f"the engines serve different models: {described}; replicas of one were expected")
        return replicas

    async def _open(self, stack: AsyncExitStack, spec: str, due: float) -> Engine:
        """One engine, entered. EngineUnreachable if it is not there when it is ``due``."""
        is_news = True
        while True:
            engine = open_chosen_engine(
                spec,
                model=None if is_local(spec) else self.run.model,
                api_key=self.run.api_key,
                slots=self.run.slots,
                has_peers=len(self.engines) > 1,
            )
            try:
                return await stack.enter_async_context(engine)
            except EngineUnreachable as error:
                if asyncio.get_running_loop().time() >= due:
                    raise
                if is_news:
                    waited_for = f"waiting up to {self.wait_s:g} s for it: {escape(str(error))}"
                    self.console.print(waited_for, soft_wrap=True)
                is_news = False
            await asyncio.sleep(LOOK_AGAIN_S)

    def _open_service(
        self,
        replicas: Mapping[str, Engine],
        reader: AnswerReader,
        watch: DriftWatch | None,
        offer: Offer,
        tracer: Listener | None,
    ) -> Service:
        make_runtime = partial(
            Runtime,
            replicas,
            reader,
            concurrency=self.run.capacity,
            policy=self.policy,
            weights=self.keys.weights if self.keys else None,
            watch=watch,
        )
        return Service(
            lambda listener: make_runtime(listener=listener),
            offer,
            limits=self.limits,
            keys=self.keys,
            max_model_len=next(iter(replicas.values())).info.max_model_len,
            listener=tracer,
            log_prompts=self.log_prompts,
        )

    def _announce(self, url: str, offer: Offer, replicas: Mapping[str, Engine]) -> None:
        """Tell where it is served, and what; as JSON on standard output besides, where that is asked for."""
        self.console.print(f"[bold]dynasor serves {escape(offer.model)} at {url}/v1[/bold]")
        self.console.print(f"engines   {escape(', '.join(replicas))}")
        self.console.print(f"program   {escape(offer.default_program)} (where a request names none)")
        self.console.print(f"policy    {self.policy}")
        if EMBEDDED in self.engines:
            self.console.print(
                "The embedded model is tiny and was trained from scratch, on arithmetic word problems only."
            )
        if self.as_json:
            told = {"url": url, "model": offer.model, "program": offer.default_program, "policy": self.policy}
            print_json({**told, "engines": list(replicas)}, indented=False)


def check_choices(engines: Sequence[str], policy: str) -> None:
    """InputError for a policy that there is not, and for what is no engine."""
    if policy not in POLICIES:
        raise InputError(f"--policy is {policy!r}; choose {', '.join(POLICIES)}")
    for spec in engines:
        is_local(spec)


def make_limits(texts: Sequence[str]) -> Limits:
    given = read_parameters(Limits, split_settings(texts, "--client-limit"), "--client-limit")
    return Limits(**given)  # type: ignore[arg-type]  # read by its annotations


async def warn_of_ignored_priorities(replicas: Mapping[str, Engine], engines: Sequence[str]) -> None:
    """Any request may have a ``dynasor.priority``. A model that we run ourselves has no line of its own to be ordered:
    it gets no more than it works on."""
    for engine, spec in zip(replicas.values(), engines, strict=True):
        if not is_local(spec):
            await warn_if_priorities_are_ignored(engine, spec)


def replica_names(engines: Sequence[str]) -> list[str]:
    """Hosts and ports, or file names; numbered where two are alike."""
    plain = [spec.partition("://")[2].partition("/")[0] or Path(spec).name for spec in engines]
    seen: Counter[str] = Counter()
    names = []
    for name in plain:
        seen[name] += 1
        names.append(name if plain.count(name) == 1 else f"{name}-{seen[name]}")
    return names


async def make_offer(
    run: RunOptions, replicas: Mapping[str, Engine], reward: Reward | None, default_deadline_s: float | None
) -> Offer:
    """What clients can have. InputError if the program cannot be made."""
    engine = next(iter(replicas.values()))
    is_named = run.program or run.preset or run.profile
    program = run.program_name if is_named else await default_program(engine)
    settings = split_settings(run.program_settings, "--set")
    if program != PASS_THROUGH:
        make_program(program, reward if takes_reward(program) else None, settings)
    elif settings:
        raise InputError(f"--set is for a program; {PASS_THROUGH} has no parameters")
    return Offer(
        model=engine.info.model,
        programs=programs_offered(program, reward),
        default_program=program,
        make_program=lambda name, given: make_program(name, reward if takes_reward(name) else None, given),
        allocator=run.make_allocator() if run.allocator else as_served(run.make_allocator()),
        options=dataclasses.replace(run.make_options(), deadline_s=default_deadline_s),
        default_settings=settings,
    )


def programs_offered(program: str, reward: Reward | None) -> tuple[str, ...]:
    """What a request may name: those that can be made with what the server has, and the server's own."""
    ours = tuple(name for name in PROGRAMS if reward is not None or not takes_reward(name))
    return ours if program in (*ours, PASS_THROUGH) else (*ours, program)


def takes_reward(program: str) -> bool:
    return "reward" in parameters_of(load_program(program))


def start_logging(level: str) -> None:
    if level not in ("debug", "info", "warning", "error"):
        raise InputError(f"--log-level is {level!r}; debug, info, warning or error was expected")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=level.upper())


def warn_of_open_door(console: Console, host: str, keys: KeyRing) -> None:
    if keys or is_loopback(host):
        return
    console.print(
        f"[bold red]WARNING: {escape(host)} can be reached from other machines, and there is no --api-key-file: "
        "whoever reaches it can use the engines.[/bold red]"
    )


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_traces() -> AbstractContextManager[Listener]:
    try:
        from dynasor.serving.tracing import exported_traces
    except ImportError as error:
        raise InputError(f"--traces needs the extra `tracing`, which is not installed ({error})") from None
    return exported_traces()
