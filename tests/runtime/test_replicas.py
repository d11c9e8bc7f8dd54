"""Replicas that fail, slow down and come back: programs get their answers, and every token is counted once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from dynasor import AnswerReader, Fixed, Options, Question, Runtime, SelfConsistency
from dynasor.engines import Engine
from dynasor.engines.embedded import EmbeddedEngine
from dynasor.engines.openai import OpenAIEngine
from dynasor.errors import EngineFailed, EngineRejected, EngineUnreachable, ProgramFailed, ProgramStopped
from dynasor.events import Event, ReplicaChanged, RequestEnded, RequestMoved, RequestStarted
from dynasor.programs import Session
from dynasor.programs.chain_of_thought import ChainOfThought
from dynasor.programs.single import Single
from dynasor.runtime import Recovery
from dynasor.scheduling import Threshold
from dynasor.vocabulary import Answer, Certaindex, Message, ReplicaState, Request, Sampling, StopReason
from tests.engines.scripted import CUT, DONE, Reply, ScriptedServer, chat, raw, status, stream, usage
from tests.in_process_engine import InProcessEngine
from tests.in_process_engine import Reply as InProcessReply
from tests.programs.scripted_chains import ScriptedChain, settles

QUESTION = Question.of_text("How many?", "q")
QUICK = Recovery(first_pause_s=0.02, longest_pause_s=0.1, patience_s=2.0)


class Raw:
    """Continues a raw text in one request, reading it as it comes."""

    async def execute(self, session: Session) -> Answer:
        async with session.stream("Once", sampling=Sampling(max_tokens=9)) as text:
            read = [delta.text async for delta in text]
        assert "".join(read) == text.text
        return Answer(text.text, Certaindex(0.0, {}))


class Chat:
    """Asks the question, and waits for the whole text."""

    async def execute(self, session: Session) -> Answer:
        completion = await session.generate(session.question.messages)
        return Answer(completion.text, Certaindex(0.0, {}))


class Servers:
    """Scripted servers, a client to each, and a runtime on all of them."""

    def __init__(self, *scripts: list[Reply], recovery: Recovery = QUICK, kind: str = "vllm") -> None:
        self._scripts = scripts
        self._recovery = recovery
        self._kind = kind
        self._open = AsyncExitStack()
        self.events: list[Event] = []

    async def __aenter__(self) -> Servers:
        self.servers = [await self._open.enter_async_context(ScriptedServer()) for _ in self._scripts]
        engines: list[Engine] = []
        for server, replies in zip(self.servers, self._scripts, strict=True):
            server.models = [{"id": "m", "owned_by": self._kind, "max_model_len": 2048}]
            server.replies = replies
            engine = OpenAIEngine(server.url, max_attempts=1, silence_timeout_s=2.0)
            engines.append(await self._open.enter_async_context(engine))
        reader = await self._open.enter_async_context(AnswerReader())
        self.runtime = Runtime(engines, reader, recovery=self._recovery, listener=self.events.append)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._open.aclose()
        scheduler = self.runtime.dispatcher.scheduler
        assert not scheduler.running and not scheduler.waiting and not scheduler.programs
        assert not any(replica.visits for replica in self.runtime.replicas)

    async def run(self, program: Raw | Chat | Single) -> Answer:
        answer = await self.runtime.run(QUESTION, program, Fixed(), Options(max_samples=1))
        ended = [event.num_tokens for event in self.events if isinstance(event, RequestEnded)]
        assert sum(ended) == answer.usage.produced
        return answer

    @property
    def moves(self) -> list[tuple[str, int]]:
        """Where requests left, and after how many tokens."""
        return [(event.replica, event.num_tokens) for event in self.events if isinstance(event, RequestMoved)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, at most ten seconds."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came true")


BROKEN = stream(raw("a "), raw("b "), raw("c "), 0.02, CUT)
REST = stream(raw("d "), raw("e", finish="stop"), usage(2, prompt=13), DONE)


async def test_a_raw_text_goes_on_where_it_broke_off() -> None:
    async with Servers([BROKEN], [REST]) as house:
        answer = await house.run(Raw())
        assert answer.text == "a b c d e"
        assert (answer.usage.main, answer.usage.cancelled, answer.usage.prompt) == (5, 0, 10)
        first, second = house.servers[0].bodies[0], house.servers[1].bodies[0]
        assert (first["prompt"], first["max_tokens"]) == ("Once", 9)
        assert (second["prompt"], second["max_tokens"]) == ("Oncea b c ", 6)
        assert house.moves == [("replica-0", 3)]


def renders(then: Reply) -> Reply:
    """vLLM's two calls that make a conversation raw text, and an answer to all others."""

    async def reply(request: web.Request) -> web.StreamResponse:
        if request.path == "/tokenize":
            return web.json_response({"tokens": [1, 2]})
        if request.path == "/detokenize":
            return web.json_response({"prompt": "<user>How many?<assistant>"})
        return await then(request)

    return reply


async def test_a_conversation_goes_on_as_raw_text() -> None:
    broken = stream(chat("a "), chat("b "), 0.02, CUT)
    async with Servers([broken], [renders(REST)]) as house:
        answer = await house.run(Single())
        assert answer.solution == "a b d e"
        assert house.servers[1].bodies[-1]["prompt"] == "<user>How many?<assistant>a b "
        assert (answer.usage.main, answer.usage.cancelled) == (4, 0)


async def test_where_that_cannot_be_rendered_it_begins_again_if_nobody_has_read_it() -> None:
    broken = stream(chat("a "), chat("b "), 0.02, CUT)
    whole = stream(chat("x "), chat("y"), chat(finish="stop"), usage(2), DONE)
    async with Servers([broken], [whole], kind="openai") as house:
        answer = await house.run(Chat())
        assert answer.text == "x y"
        assert (answer.usage.main, answer.usage.cancelled) == (2, 2)


async def test_what_was_read_is_never_taken_back() -> None:
    broken = stream(chat("a "), chat("b "), 0.02, CUT)
    async with Servers([broken], [broken], kind="openai") as house:
        with pytest.raises(ProgramFailed, match="broke off its answer"):
            await house.run(Single())


async def test_reasoning_that_the_engine_took_out_cannot_go_on_elsewhere() -> None:
    def thought(text: str) -> bytes:
        return b'data: {"choices": [{"index": 0, "delta": {"reasoning": "%b"}}]}\n\n' % text.encode()

    broken = stream(thought("hm "), 0.02, CUT)
    whole = stream(thought("so "), chat("y"), chat(finish="stop"), usage(2), DONE)
    async with Servers([broken], [whole]) as house:
        answer = await house.run(Chat())
        assert (answer.text, answer.usage.main, answer.usage.cancelled) == ("y", 2, 1)


async def test_a_rejected_request_is_nobodys_fault_but_its_own() -> None:
    async with Servers([status(400, {"error": {"message": "too long"}})], [REST]) as house:
        with pytest.raises(ProgramFailed, match="too long") as caught:
            await house.run(Raw())
        assert isinstance(caught.value.__cause__, EngineRejected)
        assert not house.servers[1].bodies
        assert not [event for event in house.events if isinstance(event, ReplicaChanged)]


async def test_a_request_that_breaks_every_replica_is_given_up() -> None:
    broken = status(500, {"error": {"message": "out of memory"}})
    async with Servers([broken], [broken], [broken], [REST]) as house:
        with pytest.raises(ProgramFailed, match="out of memory"):
            await house.run(Raw())
        assert [len(server.bodies) for server in house.servers] == [1, 1, 1, 0]


AWAY = Recovery(first_pause_s=60, longest_pause_s=60)


def states(events: list[Event]) -> list[tuple[str, ReplicaState]]:
    return [(event.replica, event.state) for event in events if isinstance(event, ReplicaChanged)]


async def test_one_error_is_no_reason_to_leave_a_replica_alone() -> None:
    async with Servers([status(503, "busy"), REST], [REST], recovery=AWAY) as house:
        assert (await house.run(Raw())).text == "d e"
        assert states(house.events) == []


async def test_several_programs_that_meet_one_are() -> None:
    async with Servers([status(503, "busy")], [REST], recovery=AWAY) as house:
        for _ in range(5):
            assert (await house.runtime.run(QUESTION, Raw(), Fixed(), Options())).text == "d e"
        assert states(house.events) == [("replica-0", ReplicaState.OUT)]
        assert len(house.servers[0].bodies) == 3


async def test_a_replica_out_of_reach_is_left_alone_until_it_is_back() -> None:
    async with Servers([REST], [REST]) as house:
        first = house.servers[0]
        port = first.port
        await first.stop_listening()
        assert (await house.runtime.run(QUESTION, Raw(), Fixed(), Options())).text == "d e"
        assert states(house.events)[0] == ("replica-0", ReplicaState.OUT)
        await first.listen(port)
        replica = house.runtime.replicas["replica-0"]
        await until(lambda: replica.state is ReplicaState.TRIAL)
        async with house.runtime.relay(Options(), program_id="on the other"):
            assert (await house.runtime.run(QUESTION, Raw(), Fixed(), Options())).text == "d e"
        assert states(house.events)[-2:] == [("replica-0", ReplicaState.TRIAL), ("replica-0", ReplicaState.IN)]


async def test_the_only_replica_is_asked_again_after_a_while() -> None:
    async with Servers([BROKEN, status(503, "starting"), REST]) as house:
        answer = await house.run(Raw())
        assert answer.text == "a b c d e"
        assert len(house.moves) == 2


async def test_patience_ends_where_no_replica_comes_back() -> None:
    def gone(request: Request) -> InProcessReply:
        return InProcessReply(fails_after=0, error=EngineUnreachable("nobody there"))

    recovery = Recovery(max_tries=1000, patience_s=0.2, first_pause_s=0.02, longest_pause_s=0.05)
    async with InProcessEngine(gone) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, recovery=recovery)
        runs = [runtime.run(Question.of_text("?", f"q{n}"), Chat(), Fixed(), Options()) for n in range(50)]
        started = asyncio.get_running_loop().time()
        outcomes = await asyncio.gather(*runs, return_exceptions=True)
        assert asyncio.get_running_loop().time() - started < 1.0
    assert all(isinstance(outcome, ProgramFailed) for outcome in outcomes)
    assert any("no replica answers for 0.2 s: nobody there" in str(outcome) for outcome in outcomes)
    assert not runtime.dispatcher.scheduler.waiting


async def test_a_poisonous_request_does_not_stop_what_runs_beside_it() -> None:
    def script(request: Request) -> InProcessReply:
        if request.id.startswith("poison"):
            return InProcessReply(fails_after=0, error=EngineFailed("CUDA error"))
        return InProcessReply("fine", num_tokens=40)

    async with InProcessEngine(script, 0.005) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, recovery=QUICK)
        runs = [runtime.run(Question.of_text("?", name), Chat(), Fixed(), Options()) for name in ("a", "poison", "b")]
        a, poison, b = await asyncio.gather(*runs, return_exceptions=True)
    assert isinstance(a, Answer) and isinstance(b, Answer) and a.usage.cancelled == b.usage.cancelled == 0
    assert isinstance(poison, ProgramFailed)


async def test_a_replica_that_slows_down_is_left() -> None:
    """Both write evenly, until one nearly stops: what it had written goes on where it is fast."""
    slow_from = 60

    class Slowing(InProcessEngine):
        async def stream(self, request: Request):  # type: ignore[no-untyped-def]
            async for delta in super().stream(request):
                yield delta
                if delta.num_tokens == slow_from:
                    await asyncio.sleep(30)

    def script(request: Request) -> InProcessReply:
        num_tokens = request.sampling.max_tokens or 0
        return InProcessReply(pieces=tuple("x" * num_tokens))

    recovery = Recovery(first_pause_s=60, longest_pause_s=60, look_s=0.1)
    slowing, steady = Slowing(script, 0.01), InProcessEngine(script, 0.01)
    events: list[Event] = []

    class Long:
        async def execute(self, session: Session) -> Answer:
            completion = await session.generate("Once", sampling=Sampling(max_tokens=200))
            return Answer(completion.text, Certaindex(0.0, {}))

    async with slowing, steady, AnswerReader() as reader:
        runtime = Runtime([slowing, steady], reader, recovery=recovery, listener=events.append)
        runs = [runtime.run(Question.of_text("?", name), Long(), Fixed(), Options()) for name in "ab"]
        answers = await asyncio.gather(*runs)
    assert [answer.text for answer in answers] == ["x" * 200] * 2
    assert [answer.usage.produced for answer in answers] == [200, 200]
    assert slowing.produced + steady.produced == 400
    moved = [(event.replica, event.num_tokens) for event in events if isinstance(event, RequestMoved)]
    assert moved == [("replica-0", slow_from)]
    assert runtime.replicas["replica-0"].state is ReplicaState.OUT


async def test_chains_with_probes_survive_a_replica_that_breaks_again_and_again() -> None:
    chain = ScriptedChain(settles(at=100), length=400)

    def breaking(request: Request) -> InProcessReply:
        reply = chain(request)
        return InProcessReply(pieces=reply.steps, fails_after=7, error=EngineFailed("broke"), num_tokens=99)

    events: list[Event] = []
    recovery = Recovery(max_tries=9, first_pause_s=0.001, longest_pause_s=0.001)
    broken, sound = InProcessEngine(breaking), InProcessEngine(chain)
    async with broken, sound, AnswerReader() as reader:
        runtime = Runtime([broken, sound], reader, concurrency=2, recovery=recovery, listener=events.append)
        program = ChainOfThought(probe_interval=10, probe_budget=9.0)
        stable = Threshold({"stability": 1.0}, 3, 1)
        options = Options(sampling=Sampling(max_tokens=1600))
        runs = [runtime.run(Question.of_text("?", f"q{n}"), program, stable, options) for n in range(4)]
        answers = await asyncio.gather(*runs)
    assert [answer.text for answer in answers] == ["7"] * 4
    assert any(isinstance(event, RequestMoved) for event in events)
    assert sum(answer.usage.produced for answer in answers) == broken.produced + sound.produced


ADDITION = (
    "A market has 48 boxes of 34 stamps and 76 jars of 88 stamps. How many stamps are there?",
    "8320",
)


async def test_a_real_engine_is_killed_in_the_middle_and_starts_again() -> None:
    """llama.cpp, twice; one is killed while both write: every program has its right answer."""
    events: list[Event] = []
    asked = [Question.of_text(ADDITION[0], f"q{number}") for number in range(4)]
    async with EmbeddedEngine(slots=8) as killed, EmbeddedEngine(slots=8) as spared, AnswerReader() as reader:
        runtime = Runtime([killed, spared], reader, recovery=QUICK, listener=events.append)
        options = Options(max_samples=4, sampling=Sampling(temperature=0.7, max_tokens=400))
        runs = [asyncio.create_task(runtime.run(each, SelfConsistency(), Fixed(), options)) for each in asked]
        process_id, on_killed = killed.process_id, runtime.replicas["replica-0"]
        await until(lambda: any(visit.num_tokens >= 20 for visit in on_killed.visits))
        os.kill(process_id, signal.SIGKILL)
        answers = await asyncio.gather(*runs)
        while on_killed.state is not ReplicaState.IN:
            await asyncio.gather(*(runtime.run(each, Chat(), Fixed(), options) for each in asked))
        assert killed.process_id != process_id
    assert [answer.text for answer in answers] == [ADDITION[1]] * 4
    assert all(answer.num_samples == 4 and answer.stop_reason is StopReason.CAP for answer in answers)
    assert any(isinstance(event, RequestMoved) and event.num_tokens for event in events)
    started = sum(isinstance(event, RequestStarted) for event in events)
    ended = sum(isinstance(event, RequestEnded) for event in events)
    assert started == ended + sum(isinstance(event, RequestMoved) for event in events)
    assert not runtime.dispatcher.scheduler.running and not runtime.dispatcher.scheduler.waiting


async def test_a_relay_tells_of_the_replica_that_failed_it() -> None:
    async with Servers([REST], [REST], recovery=AWAY) as house:
        with pytest.raises(EngineUnreachable):
            async with house.runtime.relay(Options(), program_id="r") as replica:
                raise EngineUnreachable("connection lost")
        assert states(house.events) == [(replica.name, ReplicaState.OUT)]
        async with house.runtime.relay(Options(), program_id="r") as other:
            assert other is not replica


async def test_rendering_goes_to_whoever_answers() -> None:
    async with Servers([status(500, "no")], [renders(REST)]) as house:
        rendered = await house.runtime.replicas.render("p", (Message("user", "?"),))
        assert rendered == "<user>How many?<assistant>"
        assert house.servers[0].paths == ["/tokenize"]
        assert "/detokenize" in house.servers[1].paths


async def test_a_replica_comes_back_in_the_moment_in_which_patience_ends() -> None:
    """One that waits is just being told that nobody is there; that is no error for who brings the good news."""

    async def scenario(runtime: Runtime) -> None:
        replicas, loop = runtime.replicas, asyncio.get_running_loop()
        replicas.failed(replicas.begin("replica-0", "p"), EngineUnreachable("gone"))
        await until(lambda: replicas["replica-0"].state is ReplicaState.TRIAL)
        on_trial = replicas.begin("replica-0", "p")
        failing = replicas.begin("replica-1", "q")

        async def wait() -> None:
            async with replicas.patience(loop.time()):
                await asyncio.sleep(10)

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        told: list[BaseException] = []
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        replicas.failed(failing, EngineUnreachable("gone"))
        loop.call_soon(replicas.succeeded, on_trial)
        with pytest.raises(EngineUnreachable, match="no replica answers for 0 s"):
            await waiting
        assert not told
        assert replicas["replica-0"].state is ReplicaState.IN

    recovery = Recovery(patience_s=0.0, first_pause_s=0.01, longest_pause_s=0.01)
    engines = [InProcessEngine(lambda request: InProcessReply("fine")) for _ in range(2)]
    async with AnswerReader() as reader:
        await scenario(Runtime(engines, reader, recovery=recovery))


async def test_a_relay_whose_deadline_has_just_passed_cannot_be_stopped_any_more() -> None:
    engine = InProcessEngine(lambda request: InProcessReply("fine"))
    async with AnswerReader() as reader:
        runtime = Runtime(engine, reader)
        stopped = []
        with pytest.raises(ProgramStopped) as caught:
            async with runtime.relay(Options(deadline_s=0.01), program_id="r"):
                try:
                    await asyncio.sleep(10)
                finally:
                    stopped.append(runtime.stop("r"))
    assert (stopped, caught.value.reason) == ([False], StopReason.DEADLINE)


async def test_who_cannot_render_a_conversation_at_once_tries_again() -> None:
    broken = stream(chat("a "), chat("b "), 0.02, CUT)
    async with Servers([broken, status(503, "starting"), renders(REST)]) as house:
        answer = await house.run(Single())
        assert answer.solution == "a b d e"
        assert house.moves == [("replica-0", 2), ("replica-0", 2)]


async def test_what_one_replica_wrote_is_not_served_again_by_another() -> None:
    async def hangs(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        raise AssertionError("nobody waits so long")

    broken = stream(chat("a "), chat("b "), 0.02, CUT)
    async with Servers([broken], [hangs]) as house:
        running = asyncio.create_task(house.run(Single()))
        await until(lambda: len(house.servers[1].bodies) == 1)
        running.cancel()
        await asyncio.wait((running,))
        assert house.runtime.dispatcher.scheduler.served == 2
