"""What one client may ask for, and how long it may take to ask."""

from __future__ import annotations

from dataclasses import dataclass, fields

from dynasor.errors import InputError

MEBIBYTE = 1 << 20
HIGHEST_PRIORITY = -100
LOWEST_PRIORITY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on a request, on a key and on the house. Seconds are wall-clock."""

    max_body_bytes: int = 4 * MEBIBYTE
    max_messages: int = 1024
    max_prompt_chars: int = 1_000_000
    max_request_samples: int = 256
    max_request_tokens: int = 1_000_000
    """Of one sample."""
    max_deadline_s: float = 3600.0
    max_programs_per_key: int = 256
    """Programs of one key at once, running or waiting."""
    max_watchers_per_key: int = 16
    """Dashboard pages that watch at once; without keys, all together."""
    max_waiting: int = 1024
    """Programs that no engine works on yet, of all keys together."""
    header_timeout_s: float = 10.0
    """From connecting to the end of the first request's headers."""
    body_timeout_s: float = 30.0
    write_timeout_s: float = 30.0
    """How long a client may leave a stream unread before it is dropped."""
    idle_timeout_s: float = 75.0
    """How long a connection is kept without a request."""
    keep_alive_s: float = 15.0
    """After so long a silence a stream says that it is still there."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not value > 0:
                raise InputError(f"{each.name} is {value}; a number above 0 was expected")
