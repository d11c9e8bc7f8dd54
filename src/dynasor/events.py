"""What happens to a program, as values. Progress displays, metrics and reports read these and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dynasor.vocabulary import Answer, Branch, Certaindex, ReplicaState, RequestKind, TreeNode


@dataclass(frozen=True, slots=True)
class ProgramStarted:
    """A program arrived; it may still wait for its first request to start. ``question`` is what its user said last."""

    program_id: str
    cap: int
    program: str = ""
    tenant: str = ""
    question: str = ""


@dataclass(frozen=True, slots=True)
class RequestStarted:
    """A request had its turn, after ``queue_s`` in line, and goes to ``replica``. One that moved starts again."""

    program_id: str
    request_id: str
    kind: RequestKind
    replica: str
    queue_s: float


@dataclass(frozen=True, slots=True)
class RequestMoved:
    """``replica`` failed while it worked on a request, which goes on elsewhere; ``num_tokens`` were produced by then,
    and are a part of what ``RequestEnded`` tells in the end."""

    program_id: str
    request_id: str
    kind: RequestKind
    replica: str
    num_tokens: int
    reason: str


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """A request is over; ``cancelled`` when it did not run to its end.

    ``replica`` is where it ran last, ``run_s`` how long it ran, all its replicas together, and ``num_tokens`` what
    they produced for it.
    """

    program_id: str
    request_id: str
    kind: RequestKind
    num_tokens: int
    cancelled: bool
    replica: str = ""
    run_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TextShown:
    """What a user may read of a program at work, since the last such event."""

    program_id: str
    text: str = ""
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class CertaindexMeasured:
    """How settled a program is after so many ``finished`` units of its knob, by the ``branches`` behind that."""

    program_id: str
    certaindex: Certaindex
    answer: str | None
    finished: int
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class TreeGrown:
    """Steps of a tree that a program searches, new or seen in a new light."""

    program_id: str
    nodes: tuple[TreeNode, ...]


@dataclass(frozen=True, slots=True)
class ProgramEnded:
    """``answer`` is None when the program failed."""

    program_id: str
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Relayed:
    """A request that was passed through is answered: with HTTP ``status``, the first of it after ``first_byte_s`` from
    the start of its turn, and with as many tokens as the engine says it read and produced."""

    program_id: str
    status: int
    first_byte_s: float
    prompt_tokens: int
    num_tokens: int


@dataclass(frozen=True, slots=True)
class ReplicaChanged:
    """A replica was taken out, is on trial, or is in again. ``reason`` is its latest failure."""

    replica: str
    state: ReplicaState
    reason: str


@dataclass(frozen=True, slots=True)
class DriftSuspected:
    """Of ``audited`` programs that ran to their cap, stopping early would have ``changed`` so many answers; the
    profile in use allows a share of ``allowed``."""

    audited: int
    changed: int
    allowed: float

    def __str__(self) -> str:
        return (
            f"{self.changed} of {self.audited} programs that ran to the cap changed their answer after the profile "
            f"would have stopped; it allows {self.allowed:.1%}. Calibrate again"
        )


Event = (
    ProgramStarted
    | RequestStarted
    | RequestMoved
    | RequestEnded
    | TextShown
    | CertaindexMeasured
    | TreeGrown
    | ProgramEnded
    | Relayed
    | ReplicaChanged
    | DriftSuspected
)
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener that does nothing."""


def both(first: Listener, second: Listener) -> Listener:
    """A listener that tells two."""
    if first is ignore or second is ignore:
        return second if first is ignore else first

    def tell(event: Event) -> None:
        first(event)
        second(event)

    return tell
