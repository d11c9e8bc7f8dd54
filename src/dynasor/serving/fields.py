"""The members of an untrusted JSON object, read one by one.

What cannot be used is refused with the member's name, its value and what was allowed.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import orjson

from dynasor.serving.refusals import Refusal, Refused
from dynasor.vocabulary import JSON

LONGEST_SHOWN = 80


def parse_object(content: bytes) -> JSON:
    """The JSON object that a request's body is; refused if it is none."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Refused(Refusal(400, f"the body is not JSON: {error}", code="invalid_json")) from None
    if not isinstance(value, dict):
        raise Refused(Refusal(400, f"the body is {kind_of(value)}; a JSON object was expected", code="invalid_json"))
    return value


class Fields:
    """``members`` of the object that the request has at ``path`` (empty: its top). A member that is null counts as
    missing, as the OpenAI API has it."""

    def __init__(self, members: JSON, path: str = "") -> None:
        self.members = members
        self._path = path

    def path(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def refuse(self, name: str, expected: str) -> Refused:
        value = self.members.get(name)
        return Refused(Refusal.bad_field(self.path(name), f"{self.path(name)} is {shown(value)}; {expected}"))

    def allow_only(self, allowed: Collection[str]) -> None:
        unknown = sorted(set(self.members) - set(allowed))
        if unknown:
            names = ", ".join(shortened(name) for name in unknown)
            message = f"{self._path} has {names}, which is unknown; allowed are {', '.join(allowed)}"
            raise Refused(Refusal.bad_field(self.path(unknown[0]), message, "unknown_field"))

    def text(self, name: str) -> str | None:
        value = self.members.get(name)
        if value is None or isinstance(value, str):
            return value
        raise self.refuse(name, "a string was expected")

    def flag(self, name: str) -> bool:
        value = self.members.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise self.refuse(name, "true or false was expected")

    def number(self, name: str, least: float = -math.inf, most: float = math.inf) -> float | None:
        return self._number(name, least, most, "number", int | float)

    def whole(self, name: str, least: int, most: int) -> int | None:
        value = self._number(name, least, most, "whole number", int)
        return None if value is None else int(value)

    def _number(self, name: str, least: float, most: float, what: str, kind: Any) -> float | None:
        value = self.members.get(name)
        if value is None:
            return None
        if not isinstance(value, kind) or isinstance(value, bool) or not least <= value <= most:
            raise self.refuse(name, f"a {what} {range_of(least, most)} was expected")
        return float(value) if kind is not int else value

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        value = self.members.get(name)
        if value is None or (isinstance(value, str) and value in choices):
            return value
        raise self.refuse(name, f"one of {', '.join(choices)} was expected")

    def object(self, name: str) -> Fields | None:
        value = self.members.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.refuse(name, "an object was expected")
        return Fields(value, self.path(name))


def range_of(least: float, most: float) -> str:
    if most == math.inf:
        return f"of at least {least:g}"
    return (
        f"from {least if isinstance(least, int) else f'{least:g}'} to {most if isinstance(most, int) else f'{most:g}'}"
    )


def shown(value: object) -> str:
    """A value as a message can quote it: its JSON if that is short."""
    if isinstance(value, dict | list):
        return kind_of(value)
    return shortened(orjson.dumps(value).decode())


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."


def kind_of(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names[type(value)]
