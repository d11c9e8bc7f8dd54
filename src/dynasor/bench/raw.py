"""Raw results as JSON lines: each is written when it is there, and a run that is started again goes on from them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import orjson

from dynasor.errors import InputError
from dynasor.vocabulary import JSON


class RawResults:
    """The lines of one run, in ``path``. The first says how it was run; a line that a kill cut short is dropped."""

    def __init__(self, path: Path, settings: JSON) -> None:
        """Begin the file, or read what is there.

        Raises:
            InputError: what is there was run in another way.
        """
        self.path = path
        self._lines: list[JSON] = []
        settings = orjson.loads(orjson.dumps(settings))
        if path.exists():
            self._read()
        if not self._lines:
            path.write_bytes(b"")
            self.add("run", {"settings": settings})
        elif (stored := self._lines[0].get("settings")) != settings:
            differing = sorted(
                name
                for name in settings.keys() | (stored or {}).keys()
                if (stored or {}).get(name) != settings.get(name)
            )
            raise InputError(
                f"{path} has results of a run with other settings ({', '.join(differing)}); take another file, or "
                "the same settings to go on"
            )

    def add(self, kind: str, record: JSON) -> None:
        """Write a line, to the disk."""
        line = {"kind": kind, **record}
        with self.path.open("ab") as file:
            file.write(orjson.dumps(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._lines.append(line)

    def of_kind(self, kind: str) -> Iterator[JSON]:
        return (line for line in self._lines if line["kind"] == kind)

    def first(self, kind: str) -> JSON | None:
        return next(self.of_kind(kind), None)

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        try:
            self._lines = [orjson.loads(line) for line in whole.splitlines()]
        except orjson.JSONDecodeError as error:
            raise InputError(f"{self.path} is not a file of results: {error}") from None
        if any(not isinstance(line, dict) or "kind" not in line for line in self._lines):
            raise InputError(f"{self.path} is not a file of results: a line has no kind")
        if len(whole) < len(content):
            self.path.write_bytes(whole)
