"""Workloads as files, and questions by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from dynasor.errors import InputError
from dynasor.replay.traces import read_trace
from dynasor.runtime import Options
from dynasor.simulation.answers import Population, Questions, RecordedQuestions, fit_population
from dynasor.simulation.manner import Manner
from dynasor.simulation.workloads import Bursty, Poisson, RecordedTimes, Stream, Times
from dynasor.vocabulary import JSON, Sampling

POPULATIONS = Path(__file__).parent / "populations"
PROMPT_TOKENS = 120
KEYS = (
    "name",
    "rate",
    "burstiness",
    "arrivals",
    "questions",
    "program",
    "settings",
    "reward",
    "manner",
    "max_samples",
    "max_tokens",
    "slo_s",
    "scales_slo",
    "has_deadline",
    "priority",
    "tenant",
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What questions do not say themselves: the length of prompts (None: the population's, or ``PROMPT_TOKENS``) and of
    samples, and whether a trace is drawn from itself or from a population fitted to it."""

    prompt_tokens: int | None = None
    mean_tokens: float = 256.0
    is_modelled: bool = False


@dataclass(frozen=True, slots=True)
class Workload:
    """The streams of a file, and the weights of their tenants (None: tenants play no part)."""

    streams: list[Stream]
    weights: Mapping[str, float] | None


def shipped_populations() -> list[str]:
    """The names of the populations that ship."""
    return sorted(path.stem for path in POPULATIONS.glob("*.json"))


def open_questions(text: str, defaults: Defaults) -> Questions:
    """The population that ships under this name or is in the file, or the trace in it. InputError if it is neither."""
    path = POPULATIONS / f"{text}.json" if text in shipped_populations() else Path(text)
    if path.suffix == ".json" and (path.parent == POPULATIONS or path.is_file()):
        population = Population.load(path)
        tokens = defaults.prompt_tokens
        return population if tokens is None else replace(population, prompt_tokens=tokens)
    if not path.is_file():
        raise InputError(f"there are no questions {text!r}; choose {', '.join(shipped_populations())}, or a file")
    trace, tokens = read_trace(path), defaults.prompt_tokens or PROMPT_TOKENS
    if defaults.is_modelled:
        return fit_population(trace, prompt_tokens=tokens, mean_tokens=defaults.mean_tokens)
    return RecordedQuestions.of(trace, prompt_tokens=tokens, mean_tokens=defaults.mean_tokens)


def read_workload(path: Path, defaults: Defaults) -> Workload:
    """A JSON object with ``streams``, a list of objects with the ``KEYS``, of which ``name``, ``questions`` and a
    ``rate`` or ``arrivals`` (a file) are needed; and, where tenants share, their ``weights``. Files are found from its
    folder.

    InputError, naming the stream, for anything else.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such workload")
    try:
        stored = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path}: this is not JSON ({error})") from None
    if not isinstance(stored, dict) or not isinstance(stored.get("streams"), list):
        raise InputError(f'{path}: an object with "streams", a list, was expected')
    streams = [_stream(each, number, path, defaults) for number, each in enumerate(stored["streams"], 1)]
    if unknown := stored.keys() - {"streams", "weights"}:
        raise InputError(f"{path} has {', '.join(sorted(unknown))}; it may have streams, weights")
    return Workload(streams, _weights(stored.get("weights"), streams, path))


def _weights(stored: object, streams: Sequence[Stream], path: Path) -> Mapping[str, float] | None:
    """What each tenant weighs; a name that no stream has is a slip of the pen."""
    if stored is None:
        return None
    if not isinstance(stored, dict) or not all(is_weight(value) for value in stored.values()):
        raise InputError(f"{path}: weights are to be an object of numbers above 0 by the name of a tenant")
    tenants = {stream.options.tenant for stream in streams}
    if strangers := stored.keys() - tenants:
        raise InputError(
            f"{path}: weights has {', '.join(sorted(strangers))}; the tenants are {', '.join(sorted(tenants))}"
        )
    return stored


def is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _stream(stored: object, number: int, path: Path, defaults: Defaults) -> Stream:
    where = f"{path}: stream {number}"
    if not isinstance(stored, dict) or not {"name", "questions"} <= stored.keys():
        raise InputError(f'{where}: an object with "name" and "questions" was expected')
    if unknown := stored.keys() - set(KEYS):
        raise InputError(f"{where} has {', '.join(sorted(unknown))}; it may have {', '.join(KEYS)}")
    try:
        return _stream_of(stored, path.parent, defaults)
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from None


def _stream_of(stored: JSON, folder: Path, defaults: Defaults) -> Stream:
    questions = str(stored["questions"])
    known: dict[str, Any] = {
        name: stored[name] for name in ("program", "reward", "slo_s", "scales_slo", "has_deadline") if name in stored
    }
    return Stream(
        name=str(stored["name"]),
        times=_times(stored, folder),
        questions=open_questions(
            questions if questions in shipped_populations() else str(folder / questions), defaults
        ),
        manner=Manner(**stored.get("manner", {})),
        settings={str(name): str(value) for name, value in stored.get("settings", {}).items()},
        options=Options(
            max_samples=int(stored.get("max_samples", 16)),
            sampling=Sampling(max_tokens=stored.get("max_tokens")),
            priority=int(stored.get("priority", 0)),
            tenant=str(stored.get("tenant", stored["name"])),
        ),
        **known,
    )


def _times(stored: JSON, folder: Path) -> Times:
    if "arrivals" in stored:
        return RecordedTimes.load(folder / str(stored["arrivals"]))
    if "rate" not in stored:
        raise InputError('"rate", programs a second, or "arrivals", a file, was expected')
    if "burstiness" in stored:
        return Bursty(float(stored["rate"]), float(stored["burstiness"]))
    return Poisson(float(stored["rate"]))
