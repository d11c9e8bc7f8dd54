"""Replicas: running copies of one engine, among which requests are shared out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dynasor.engines.protocol import Engine
from dynasor.errors import InputError
from dynasor.vocabulary import Message


@dataclass(slots=True)
class Replica:
    """One running copy of the engine, under a ``name``."""

    name: str
    engine: Engine


class Replicas:
    """All replicas by name."""

    def __init__(self, engines: Engine | Sequence[Engine] | Mapping[str, Engine]) -> None:
        named = by_name(engines)
        if not named:
            raise InputError("there is no engine; at least one was expected")
        self._replicas = {name: Replica(name, engine) for name, engine in named.items()}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._replicas)

    def __getitem__(self, name: str | None) -> Replica:
        return next(iter(self._replicas.values())) if name is None else self._replicas[name]

    async def render(self, messages: tuple[Message, ...], *, thinking: bool | None = None) -> str:
        """A conversation as raw text, from whichever replica; all have the same model."""
        return await next(iter(self._replicas.values())).engine.render(messages, thinking=thinking)


def by_name(engines: Engine | Sequence[Engine] | Mapping[str, Engine]) -> dict[str, Engine]:
    """The engines under the names that were given, or else ``replica-0`` and so on."""
    if isinstance(engines, Mapping):
        return dict(engines)
    several = engines if isinstance(engines, Sequence) else (engines,)
    return {f"replica-{number}": engine for number, engine in enumerate(several)}
