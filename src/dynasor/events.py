"""What happens to a program, as values. Progress displays, metrics and reports read these and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dynasor.vocabulary import Answer, Certaindex, RequestKind


@dataclass(frozen=True, slots=True)
class ProgramStarted:
    program_id: str
    cap: int


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """A request is over; ``cancelled`` when it did not run to its end."""

    program_id: str
    request_id: str
    kind: RequestKind
    num_tokens: int
    cancelled: bool


@dataclass(frozen=True, slots=True)
class CertaindexMeasured:
    program_id: str
    certaindex: Certaindex
    answer: str | None
    finished: int


@dataclass(frozen=True, slots=True)
class ProgramEnded:
    """``answer`` is None when the program failed."""

    program_id: str
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class DriftSuspected:
    """Of ``audited`` programs that ran to their cap, stopping early would have ``changed`` so many answers; the
    profile in use allows a share of ``allowed``."""

    audited: int
    changed: int
    allowed: float


Event = ProgramStarted | RequestEnded | CertaindexMeasured | ProgramEnded | DriftSuspected
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener that does nothing."""
