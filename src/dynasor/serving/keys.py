"""API keys: who may ask, under which name, with which share."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dynasor.errors import InputError

SHORTEST_KEY = 16


@dataclass(frozen=True, slots=True)
class Key:
    """A key's owner and its weight among others; of the key itself only a digest is kept."""

    name: str
    digest: bytes
    weight: float = 1.0


class KeyRing:
    """All keys of a server; an empty one lets everybody in, under the empty name."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The owners, without repetition."""
        return tuple(dict.fromkeys(key.name for key in self._keys))

    @property
    def weights(self) -> Mapping[str, float]:
        return {key.name: key.weight for key in self._keys}

    def owner_of(self, authorization: str | None) -> str | None:
        """Whose key an ``Authorization`` header carries; None: nobody's. Takes the same time whichever key it is."""
        if not self._keys:
            return ""
        scheme, _, given = (authorization or "").partition(" ")
        digest = digest_of(given.strip()) if scheme.lower() == "bearer" else b""
        owner = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                owner = key.name
        return owner


def digest_of(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()


def load_keys(path: Path) -> KeyRing:
    """The keys in a file: one a line, ``key``, ``name:key`` or ``name:key:weight``; # begins a comment.

    Raises InputError, naming the line but never the key, for anything else.
    """
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such key file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file") from None
    written = [(number, line.partition("#")[0].strip()) for number, line in enumerate(lines, 1)]
    keys = [read_key(line, f"{path}:{number}") for number, line in written if line]
    if not keys:
        raise InputError(f"{path} has no keys; one a line was expected, as in name:key")
    check_distinct(keys, path)
    return KeyRing(keys)


def read_key(line: str, where: str) -> Key:
    parts = [part.strip() for part in line.split(":")]
    name, key, weight = {1: ["", *parts, "1"], 2: [*parts, "1"]}.get(len(parts), parts[:3])
    if len(parts) > 3:
        raise InputError(f"{where} has {len(parts)} parts; key, name:key or name:key:weight was expected")
    if len(key) < SHORTEST_KEY or not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError(f"{where}: the key is no key; at least {SHORTEST_KEY} printable characters were expected")
    digest = digest_of(key)
    return Key(name or f"key-{digest.hex()[:8]}", digest, read_weight(weight, where))


def read_weight(text: str, where: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise InputError(f"{where}: the weight is not a number above 0")
    return weight


def check_distinct(keys: list[Key], path: Path) -> None:
    if len({key.digest for key in keys}) < len(keys):
        raise InputError(f"{path} has one key twice")
    weights: dict[str, float] = {}
    for key in keys:
        if weights.setdefault(key.name, key.weight) != key.weight:
            raise InputError(f"{path} gives {key.name} two weights")
