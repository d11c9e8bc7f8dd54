"""Who comes when, with what: streams of programs, one for each tenant or kind of program, in one order of arrival.

All is drawn from seeds. A stream has one of its own, so another stream beside it changes nothing of it.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from dynasor.errors import InputError
from dynasor.parameters import parameters_of
from dynasor.programs import Program, load_program, make_program
from dynasor.rewards import Judge, YesNo, open_reward
from dynasor.runtime import Options
from dynasor.simulation.answers import Questions, SimulatedQuestion
from dynasor.simulation.manner import Manner
from dynasor.simulation.writing import Style
from dynasor.vocabulary import JSON

Times = Callable[[random.Random], Iterator[float]]
"""When programs come, in seconds from the beginning, in order."""

JUDGES = ("judge", "yes-no")
"""Rewards that a simulated engine can say: those that ask the engine itself."""
REWARD = "reward"
CHAINS = frozenset({"chain-of-thought", "self-consistency-chains"})


@dataclass(frozen=True, slots=True)
class Poisson:
    """So many programs a second on average, independent of each other."""

    rate: float

    def __post_init__(self) -> None:
        check_rate(self.rate)

    def __call__(self, rng: random.Random) -> Iterator[float]:
        at = 0.0
        while True:
            at += rng.expovariate(self.rate)
            yield at


@dataclass(frozen=True, slots=True)
class Bursty:
    """The same rate, in bursts: gaps follow a gamma law whose standard deviation is ``burstiness`` times their mean.
    With 1 that is Poisson; above, most come right after another, and then none for long."""

    rate: float
    burstiness: float = 4.0

    def __post_init__(self) -> None:
        check_rate(self.rate)
        if not 0 < self.burstiness < math.inf:
            raise InputError(f"burstiness is {self.burstiness}; a number above 0 was expected")

    def __call__(self, rng: random.Random) -> Iterator[float]:
        shape = 1 / self.burstiness**2
        at = 0.0
        while True:
            at += rng.gammavariate(shape, 1 / (self.rate * shape))
            yield at


@dataclass(frozen=True, slots=True)
class RecordedTimes:
    """The times of a file."""

    times: tuple[float, ...]

    def __repr__(self) -> str:
        return f"{len(self.times)} recorded times"

    def __call__(self, rng: random.Random) -> Iterator[float]:
        return iter(self.times)

    @classmethod
    def load(cls, path: Path) -> RecordedTimes:
        """A file of JSON lines: seconds as a number, or an object with ``at``; the first is taken for the beginning.
        InputError, with the line, for what is neither, and for times that go back."""
        if not path.is_file():
            raise InputError(f"{path}: there is no such file of arrivals")
        times: list[float] = []
        for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
            if line.strip():
                times.append(_time_in(line, f"{path}:{number}"))
                if len(times) > 1 and times[-1] < times[-2]:
                    raise InputError(
                        f"{path}:{number}: {times[-1]:g} s is earlier than the line above; order was expected"
                    )
        if not times:
            raise InputError(f"{path}: the file has no arrivals")
        return cls(tuple(time - times[0] for time in times))


def _time_in(line: bytes, where: str) -> float:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict):
        value = value.get("at")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f'{where}: a number of seconds, or an object with such a number as "at", was expected')
    return float(value)


def check_rate(rate: float) -> None:
    if not 0 < rate < math.inf:
        raise InputError(f"the rate is {rate}; a number of programs a second above 0 was expected")


@dataclass(frozen=True, slots=True)
class Stream:
    """Programs of one kind.

    Args:
        name: what it is called in reports; a tenant's name, where tenants share.
        times: when they come.
        questions: what they work on.
        program: its name; or one of the user's own as ``module:attribute``, which gets samples for what it asks.
        settings: its parameters, as text.
        reward: what scores its solutions, one of ``JUDGES``; None: ``judge``, for programs that need one.
        manner: how steps, scores and chains are modelled.
        options: how each is run; the seed is replaced by one of its own.
        slo_s: within which an answer is in time; None: always.
        scales_slo: whether that is multiplied by the question's difficulty, 1 to 3, as in the paper.
        has_deadline: whether the runtime is told, and ends the program then with the best it has.
    """

    name: str
    times: Times
    questions: Questions
    program: str = "self-consistency"
    settings: Mapping[str, str] = field(default_factory=dict)
    reward: str | None = None
    manner: Manner = field(default_factory=Manner)
    options: Options = field(default_factory=Options)
    slo_s: float | None = None
    scales_slo: bool = False
    has_deadline: bool = False

    def __post_init__(self) -> None:
        if self.reward is not None and self.reward.partition(":")[0] not in JUDGES:
            raise InputError(f"the reward {self.reward!r} cannot be simulated; choose {' or '.join(JUDGES)}")
        self.make_program()
        if self.is_scored and not self.questions.has_marks:
            raise InputError(
                f"{self.questions.name}: nobody marked which samples are right, which the scores of {self.program} are "
                "modelled by"
            )
        if self.slo_s is not None and not self.slo_s > 0:
            raise InputError(f"slo_s is {self.slo_s}; a number of seconds above 0 was expected")
        if self.has_deadline and self.slo_s is None:
            raise InputError(f"stream {self.name!r} has deadlines and no slo_s that says when; give one")

    @property
    def is_scored(self) -> bool:
        return self.reward is not None or parameters_of(load_program(self.program)).get(REWARD) is not None

    @property
    def _reward(self) -> Judge | YesNo | None:
        if not self.is_scored:
            return None
        reward = open_reward(self.reward or JUDGES[0])
        assert isinstance(reward, Judge | YesNo), "one of the two was chosen"
        return reward

    def make_program(self) -> Program:
        """One for all arrivals: a program keeps nothing between its runs."""
        return make_program(self.program, self._reward, self.settings)

    def style(self) -> Style:
        """What its programs ask of whoever writes for them."""
        reward, step_end = self._reward, getattr(self.make_program(), "step_end", None)
        return Style(step_end, None if reward is None else (reward.right[0], reward.wrong[0]))

    def modelled(self) -> str:
        """What of the completions is recorded, and what is modelled, in words."""
        manner, parts = self.manner, [f"lengths {self.questions.lengths}"]
        if self.style().step_end is not None:
            parts.append(f"steps of {manner.step_tokens:g} tokens modelled")
        if self.is_scored and self.questions.has_rewards:
            parts.append("scores of whole solutions recorded, of others modelled")
        elif self.is_scored:
            parts.append(f"scores modelled with an AUC of {manner.score_auc:g} within a question")
        if self.program in CHAINS:
            parts.append(
                f"chains modelled as {manner.chain_stretch:g} samples long, whose probes settle at "
                f"{manner.settles_at:.0%}, and before that are unsure {manner.unsure_share:.0%} of the time"
            )
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A program that comes at ``due_s``."""

    due_s: float
    number: int
    stream: Stream
    question: SimulatedQuestion
    options: Options
    slo_s: float | None

    @property
    def program_id(self) -> str:
        return f"{self.stream.name}-{self.number}"


def arrivals(streams: Sequence[Stream], num_programs: int, seed: int) -> Iterator[Arrival]:
    """The first ``num_programs`` of all streams together, made as they are asked for."""
    if num_programs < 1:
        raise InputError(f"the number of programs is {num_programs}; at least 1 was expected")
    names = [stream.name for stream in streams]
    if len(set(names)) != len(names) or not names:
        raise InputError(f"the streams are called {names}; one or more names, each once, were expected")
    drawn = (_arrivals_of(stream, f"{seed}-{stream.name}") for stream in streams)
    merged = heapq.merge(*drawn, key=lambda arrival: arrival.due_s)
    for number, arrival in zip(range(num_programs), merged, strict=False):
        yield replace(arrival, number=number)


def _arrivals_of(stream: Stream, seed: str) -> Iterator[Arrival]:
    rng, at = random.Random(f"{seed}-questions"), stream.times(random.Random(f"{seed}-times"))
    for due_s in at:
        question = stream.questions.draw(rng)
        slo_s = stream.slo_s
        if slo_s is not None and stream.scales_slo:
            slo_s *= question.difficulty
        deadline_s = slo_s if stream.has_deadline else stream.options.deadline_s
        options = replace(stream.options, seed=rng.getrandbits(31), deadline_s=deadline_s)
        yield Arrival(due_s, 0, stream, question, options, slo_s)


def describe(stream: Stream) -> JSON:
    """A stream in a report."""
    return {
        "name": stream.name,
        "times": repr(stream.times),
        "questions": stream.questions.name,
        "lengths": stream.questions.lengths,
        "modelled": stream.modelled(),
        "manner": str(stream.manner),
        "program": stream.program,
        "reward": (stream.reward or JUDGES[0]) if stream.is_scored else None,
        "max_samples": stream.options.max_samples,
        "slo_s": stream.slo_s,
        "scales_slo": stream.scales_slo,
        "has_deadline": stream.has_deadline,
    }
