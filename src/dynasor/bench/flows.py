"""Steady flows of requests to a live engine, counted: what a cost model is fitted to.

In a flow so many callers each send one request after the other. It is counted over a window in which all of them are at
work, so that as many requests run as there are callers, except for what a request waits for on its way. A caller's
request writes a token in every iteration, so the tokens that one caller got on average are the iterations there were.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass

from dynasor.engines.protocol import Engine
from dynasor.errors import InputError, first_cause
from dynasor.simulation.fit import Measured
from dynasor.vocabulary import JSON, Message, Request, Sampling

FEW_TOKENS = 8
MANY_TOKENS = 96
LONG_PROMPT_TOKENS = 512
ENDED_EACH = 2
"""Requests that end for each caller before a flow is long enough."""
WORDS = ("apples", "boxes", "pens", "coins", "shelves", "cards", "tiles", "cups")
NUMBERS_FROM, NUMBERS_TO = 100, 1000


@dataclass(frozen=True, slots=True)
class Kind:
    """What flows differ in: callers, sentences of each prompt, and most tokens of a completion."""

    running: int
    num_sentences: int
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Flow:
    """What was counted in a window of ``seconds``: requests that began to write, prompt tokens that they read, tokens
    that were written, and the sum over those of the tokens that each looked back on."""

    kind: Kind
    seconds: float
    begun: int
    read: int
    written: int
    looked_back: int

    @property
    def iterations(self) -> float:
        return self.written / self.kind.running

    @property
    def measured(self) -> Measured:
        """As averages over its iterations."""
        iterations = self.iterations
        return Measured(
            running=self.kind.running,
            context=self.looked_back / iterations,
            prefill=self.read / iterations,
            seconds=self.seconds / iterations,
            begun=self.begun / iterations,
            waited=self.begun / self.written,
        )

    def to_json(self) -> JSON:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which flows are measured, each ``repeats`` times, for at least ``seconds`` each."""

    concurrencies: tuple[int, ...]
    seconds: float
    repeats: int
    long_prompt_tokens: int = LONG_PROMPT_TOKENS

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise InputError(f"the seconds of a flow are {self.seconds}; a number above 0 was expected")

    @classmethod
    def up_to(cls, capacity: int, seconds: float, repeats: int) -> Plan:
        """1, 2, 4, ... and ``capacity`` requests at once."""
        doubled = [1 << power for power in range(capacity.bit_length())]
        return cls(tuple(dict.fromkeys((*doubled, capacity))), seconds, repeats)

    @property
    def num_flows(self) -> int:
        return 4 * len(self.concurrencies) * self.repeats

    def kinds(self, tokens_per_sentence: float) -> Iterator[Kind]:
        """Each once a round, so that what changes slowly on the machine changes all alike."""
        long = max(2, round(self.long_prompt_tokens / tokens_per_sentence))
        for _ in range(self.repeats):
            for running in self.concurrencies:
                for num_sentences in (1, long):
                    for max_tokens in (FEW_TOKENS, MANY_TOKENS):
                        yield Kind(running, num_sentences, max_tokens)


class Caller:
    """Sends requests whose prompts begin differently, so that no prefix cache helps with them. They have no seeds: vLLM
    0.32 on a CPU comes to an end where a prompt with one is read in parts."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self._engine = engine
        self._rng = random.Random(seed)
        self._serial = 0

    async def sentence_tokens(self) -> float:
        """How many tokens a sentence of the prompts has."""
        counts = [await self._prompt_tokens(number) for number in (2, 10)]
        return max(1.0, (counts[1] - counts[0]) / 8)

    async def measure(self, kind: Kind, seconds: float) -> Flow:
        """One flow, for ``seconds`` or until two requests of each caller have ended, whichever is later. Raises the
        first EngineError of a request."""
        window = Window(kind, seconds)
        try:
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(self._call(window, kind)) for _ in range(kind.running)]
                await window.is_over.wait()
                for call in calls:
                    call.cancel()
        except ExceptionGroup as errors:
            raise first_cause(errors) from errors
        return window.flow()

    async def _call(self, window: Window, kind: Kind) -> None:
        while True:
            limit = self._rng.randint(max(1, kind.max_tokens // 2), kind.max_tokens)
            count = window.request()
            async with aclosing(self._engine.stream(self._request(kind.num_sentences, limit))) as deltas:
                async for delta in deltas:
                    count.written = delta.num_tokens
                    count.prompt_tokens = delta.prompt_tokens or count.prompt_tokens
                    window.look()
            window.request_ends()

    async def _prompt_tokens(self, num_sentences: int) -> int:
        prompt_tokens = 0
        async with aclosing(self._engine.stream(self._request(num_sentences, 1))) as deltas:
            async for delta in deltas:
                prompt_tokens = delta.prompt_tokens or prompt_tokens
        if not prompt_tokens:
            raise InputError(f"{self._engine.info.kind} does not tell how long prompts are; nothing can be fitted")
        return prompt_tokens

    def _request(self, num_sentences: int, max_tokens: int) -> Request:
        self._serial += 1
        text = " ".join(self._sentence() for _ in range(num_sentences))
        sampling = Sampling(
            temperature=1.0, max_tokens=max_tokens
        )  # no seed: vLLM on a CPU ends with one in a long prompt
        return Request(f"profile-{self._serial}", "profile", (Message("user", text),), sampling)

    def _sentence(self) -> str:
        some, more = (self._rng.randrange(NUMBERS_FROM, NUMBERS_TO) for _ in range(2))
        return f"{some} {self._rng.choice(WORDS)} and {more} {self._rng.choice(WORDS)} are there."


@dataclass(slots=True)
class Count:
    """A request of a flow."""

    written: int = 0
    prompt_tokens: int = 0


class Window:
    """Counts a flow until it is long enough."""

    def __init__(self, kind: Kind, seconds: float) -> None:
        self.is_over = asyncio.Event()
        self._kind = kind
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._until = self._began + seconds
        self._ended_at = self._began
        self._counts: list[Count] = []
        self._num_ended = 0

    def request(self) -> Count:
        self._counts.append(Count())
        return self._counts[-1]

    def request_ends(self) -> None:
        self._num_ended += 1

    def look(self) -> None:
        """After every delta; the counts stand still once the window is over."""
        if self.is_over.is_set():
            return
        self._ended_at = self._clock()
        if self._ended_at >= self._until and self._num_ended >= ENDED_EACH * self._kind.running:
            self._counts = [Count(each.written, each.prompt_tokens) for each in self._counts if each.written]
            self.is_over.set()

    def flow(self) -> Flow:
        usual = max(each.prompt_tokens for each in self._counts)
        read = [each.prompt_tokens or usual for each in self._counts]
        looked_back = sum(
            each.written * prompt + each.written * (each.written - 1) // 2
            for each, prompt in zip(self._counts, read, strict=True)
        )
        return Flow(
            kind=self._kind,
            seconds=self._ended_at - self._began,
            begun=len(self._counts),
            read=sum(read),
            written=sum(each.written for each in self._counts),
            looked_back=looked_back,
        )


async def measure_flows(
    engine: Engine, plan: Plan, seed: int = 0, advance: Callable[[], None] = lambda: None
) -> Sequence[Flow]:
    """All flows of ``plan`` on ``engine``, which is entered; ``advance`` is called after each. One before them warms
    the engine up and is not counted.

    Raises EngineError, and InputError where the engine does not count prompt tokens.
    """
    caller = Caller(engine, seed)
    tokens_per_sentence = await caller.sentence_tokens()
    await caller.measure(Kind(max(plan.concurrencies), 1, MANY_TOKENS), 1.0)
    flows = []
    for kind in plan.kinds(tokens_per_sentence):
        flows.append(await caller.measure(kind, plan.seconds))
        advance()
    return flows
