"""Profiles: what a calibration learned, as a small JSON file that says what it promises and on what evidence.

``dynasor calibrate`` writes one, ``--profile`` loads it. A profile belongs to a model, a program and a cap.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import orjson

from dynasor.certainty import AGREEMENT, ENTROPY, VotePrior
from dynasor.errors import InputError
from dynasor.scheduling import Agreement, Curve, Skyline
from dynasor.vocabulary import JSON

VERSION = 1
Kind = Literal["agreement", "accuracy"]


@dataclass(frozen=True, slots=True)
class Promise:
    """What the profile keeps: ``agreement`` the full budget's answer on at least ``value`` of the questions, or
    ``accuracy`` within ``value`` of the full budget's, with ``confidence``."""

    kind: Kind
    value: float
    confidence: float | None = None

    def __str__(self) -> str:
        if self.kind == "agreement":
            return f"keeps the full budget's answer on {self.value:.2%} of questions"
        return f"loses at most {self.value:.2%} of accuracy with confidence {self.confidence or 0:.0%}"


@dataclass(frozen=True, slots=True)
class Expected:
    """Means on the calibration questions, as fractions: samples saved, answers kept, right answers lost, wrong ones
    set right by stopping early (the last two None without labels)."""

    saved: float
    kept: float
    harmed: float | None = None
    helped: float | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """A rule for a model's programs, with its promise and evidence."""

    model: str
    dataset: str
    program: str
    max_samples: int
    allocator: Agreement | Skyline
    promise: Promise
    expected: Expected
    settings: tuple[str, ...] = ()
    """Parameters of the program that were set, as NAME=VALUE, sorted."""
    mean_tokens_per_unit: float | None = None
    """Tokens that a unit of the program's knob (a sample) took on average; None where that was not recorded."""
    evidence: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Questions, shuffles, reliability by decile, and with labels the frontier of saving and loss."""

    def check_fits(self, *, model: str, program: str, max_samples: int, settings: Sequence[str] = ()) -> None:
        """InputError if this profile is of another model, program or cap: its promise would not hold."""
        for name, mine, theirs in (
            ("model", self.model, model),
            ("program", self.program, program),
            ("max_samples", self.max_samples, max_samples),
            ("settings", ", ".join(self.settings), ", ".join(settings)),
        ):
            if mine != theirs:
                raise InputError(
                    f"the profile is of the {name} {mine!r}, this run has {theirs!r}; calibrate for it, "
                    "or run without --profile"
                )

    def to_json(self) -> JSON:
        promise = {"kind": self.promise.kind, "value": self.promise.value, "confidence": self.promise.confidence}
        expected = {name: getattr(self.expected, name) for name in Expected.__slots__}
        return {
            "dynasor_profile": VERSION,
            "model": self.model,
            "dataset": self.dataset,
            "program": self.program,
            "max_samples": self.max_samples,
            "settings": list(self.settings),
            "mean_tokens_per_unit": self.mean_tokens_per_unit,
            "allocator": json_of(self.allocator),
            "promise": promise,
            "expected": expected,
            "evidence": dict(self.evidence),
        }

    def save(self, path: Path) -> None:
        """Write the file as a whole: a kill leaves the old one or the new one."""
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            file.write(orjson.dumps(self.to_json(), option=orjson.OPT_INDENT_2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Profile:
        """InputError if there is no such file, or it is no profile, or one of a later version."""
        try:
            stored = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such profile") from None
        except orjson.JSONDecodeError as error:
            raise InputError(f"{path} is not a profile: it is not JSON ({error})") from None
        if not isinstance(stored, dict) or "dynasor_profile" not in stored:
            raise InputError(f"{path} is not a profile; `dynasor calibrate` writes them")
        if stored["dynasor_profile"] != VERSION:
            raise InputError(
                f"{path} is a profile of version {stored['dynasor_profile']!r}; this dynasor reads version {VERSION}"
            )
        try:
            return cls._of(stored)
        except (InputError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged: {error!r}; calibrate again") from None

    @classmethod
    def _of(cls, stored: JSON) -> Profile:
        return cls(
            model=str(stored["model"]),
            dataset=str(stored["dataset"]),
            program=str(stored["program"]),
            max_samples=int(stored["max_samples"]),
            settings=tuple(stored["settings"]),
            mean_tokens_per_unit=tokens_of(stored.get("mean_tokens_per_unit")),
            allocator=allocator_of(stored["allocator"]),
            promise=Promise(**stored["promise"]),
            expected=Expected(**stored["expected"]),
            evidence=stored["evidence"],
        )


def tokens_of(stored: object) -> float | None:
    """Of an older profile there is none."""
    if stored is None or (isinstance(stored, int | float) and 0 < stored < float("inf")):
        return stored
    raise ValueError(f"mean_tokens_per_unit is {stored!r}; a number above 0 or null was expected")


def json_of(allocator: Agreement | Skyline) -> JSON:
    """``allocator`` as a profile stores it, with its name."""
    if isinstance(allocator, Skyline):
        return {
            "name": "skyline",
            "signal": allocator.signal,
            "curves": {str(step): [list(knot) for knot in curve.knots] for step, curve in allocator.curves.items()},
            "prior": list(allocator.prior),
        }
    return {
        "name": "agreement",
        "max_change": allocator.max_change,
        "min_share": allocator.min_share,
        "max_hope": allocator.max_hope,
        "max_chain_change": allocator.max_chain_change,
        "wave": allocator.wave,
        "prior": list(allocator.prior),
    }


def allocator_of(stored: JSON) -> Agreement | Skyline:
    """What ``json_of`` wrote. Errors of many kinds if it did not write that."""
    if stored["name"] == "skyline":
        return skyline_of(stored)
    if stored["name"] != "agreement":
        raise ValueError(f"the allocator is {stored['name']!r}; agreement or skyline was expected")
    return Agreement(
        max_change=float(stored["max_change"]),
        min_share=float(stored["min_share"]),
        max_hope=float(stored["max_hope"]),
        max_chain_change=float(stored["max_chain_change"]),
        wave=None if stored["wave"] is None else int(stored["wave"]),
        prior=prior_of(stored),
    )


def skyline_of(stored: JSON) -> Skyline:
    if stored["signal"] not in (AGREEMENT, ENTROPY):
        raise ValueError(f"the signal is {stored['signal']!r}; {AGREEMENT} or {ENTROPY} was expected")
    if not isinstance(stored["curves"], dict):
        raise TypeError(f"curves are {stored['curves']!r}; an object was expected")
    curves = {
        int(step): Curve(tuple((float(certaindex), index(units)) for certaindex, units in knots))
        for step, knots in stored["curves"].items()
    }
    return Skyline(curves, stored["signal"], prior_of(stored))


def prior_of(stored: JSON) -> VotePrior:
    leader, runner_up, rest = (float(weight) for weight in stored["prior"])
    if not all(0 < weight < float("inf") for weight in (leader, runner_up, rest)):
        raise ValueError("the prior has weights that are not above 0")
    return leader, runner_up, rest
