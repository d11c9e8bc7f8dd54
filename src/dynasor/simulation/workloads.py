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
from dynasor.programs import Program, make_program
from dynasor.runtime import Options
from dynasor.simulation.answers import Questions, SimulatedQuestion
from dynasor.vocabulary import JSON

Times = Callable[[random.Random], Iterator[float]]
"""When programs come, in seconds from the beginning, in order."""

SIMULATED = ("self-consistency", "single")
"""Programs that a simulated engine can write for: those of independent samples without a reward."""


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
        program: its name.
        settings: its parameters, as text.
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
    options: Options = field(default_factory=Options)
    slo_s: float | None = None
    scales_slo: bool = False
    has_deadline: bool = False

    def __post_init__(self) -> None:
        if self.program not in SIMULATED:
            raise InputError(f"the program {self.program} cannot be simulated yet; choose {' or '.join(SIMULATED)}")
        if self.slo_s is not None and not self.slo_s > 0:
            raise InputError(f"slo_s is {self.slo_s}; a number of seconds above 0 was expected")
        if self.has_deadline and self.slo_s is None:
            raise InputError(f"stream {self.name!r} has deadlines and no slo_s that says when; give one")

    def make_program(self) -> Program:
        """One for all arrivals: a program keeps nothing between its runs."""
        return make_program(self.program, settings=self.settings)


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
        "program": stream.program,
        "max_samples": stream.options.max_samples,
        "slo_s": stream.slo_s,
        "scales_slo": stream.scales_slo,
        "has_deadline": stream.has_deadline,
    }
