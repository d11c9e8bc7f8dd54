"""What was found out about an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from dynasor.vocabulary import JSON


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """Dynasor works, and something of it does not, or nobody can tell."""
    FAILED = "failed"
    """Dynasor does not work with this engine as it is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, what it means for Dynasor, and what to change (None: nothing)."""

    check: str
    status: Status
    found: str
    means: str
    change: str | None = None

    @classmethod
    def ok(cls, check: str, found: str, means: str) -> Finding:
        return cls(check, Status.OK, found, means)

    @classmethod
    def warning(cls, check: str, found: str, means: str, change: str | None = None) -> Finding:
        return cls(check, Status.WARNING, found, means, change)

    @classmethod
    def failed(cls, check: str, found: str, means: str, change: str | None = None) -> Finding:
        return cls(check, Status.FAILED, found, means, change)


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings about the engine that ``spec`` names. Where it cannot be reached there is only that one."""

    spec: str
    findings: Sequence[Finding]
    is_reachable: bool = True

    @property
    def has_failed(self) -> bool:
        return any(each.status is Status.FAILED for each in self.findings)

    def to_json(self) -> JSON:
        return {"engine": self.spec, "findings": [asdict(each) for each in self.findings]}
