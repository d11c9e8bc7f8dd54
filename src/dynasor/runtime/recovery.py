"""What is done about replicas that fail."""

from __future__ import annotations

from dataclasses import dataclass

from dynasor.errors import InputError


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is done about replicas that fail.

    Args:
        max_tries: how often a request is tried, on all replicas together, before its program fails.
        patience_s: how long a request waits for a replica while none is in, before its program fails.
        first_pause_s: how long a replica stays out after its first failure, and how long a request waits that has met
            an error on every replica that is in.
        longest_pause_s: what that doubles up to.
        look_s: how often it is looked whether one of several replicas writes far slower than it did, and than the
            others do. Its requests go elsewhere then. (One that has not begun to write is not slow: it may be reading
            a long prompt.)
    """

    max_tries: int = 3
    patience_s: float = 30.0
    first_pause_s: float = 0.25
    longest_pause_s: float = 30.0
    look_s: float = 10.0

    def __post_init__(self) -> None:
        if self.max_tries < 1:
            raise InputError(f"max_tries is {self.max_tries}; at least 1 was expected")
        for name in ("patience_s", "first_pause_s"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} is {getattr(self, name)}; a number of seconds from 0 up was expected")
        if not self.look_s > 0:
            raise InputError(f"look_s is {self.look_s}; a number of seconds above 0 was expected")
        if not self.longest_pause_s >= self.first_pause_s:
            raise InputError(f"longest_pause_s is {self.longest_pause_s}; at least first_pause_s was expected")

    def pause_s(self, num_failures: int) -> float:
        """How long to leave alone what has failed so often in a row."""
        return min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(num_failures - 1, 32))


DEFAULT_RECOVERY = Recovery()
