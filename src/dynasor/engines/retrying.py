"""When to ask an engine again, and after how long."""

from __future__ import annotations

import math
import random
from datetime import UTC
from email.utils import parsedate_to_datetime

RETRYABLE_STATUSES = frozenset({408, 429, 502, 503, 504})
"""Answers that say "not now": the request was not worked on, or its work was lost before the first token."""

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
LONGEST_RETRY_AFTER_S = 60.0


def retry_delay(attempt: int, retry_after: float | None, rng: random.Random) -> float:
    """Seconds to wait after failed attempt number ``attempt`` (the first is 1).

    Doubles from ``FIRST_DELAY_S`` up to ``LONGEST_DELAY_S``, of which a random half is taken off, so that
    requests refused together do not come back together. What the engine asked for (``retry_after``, in
    seconds) is waited in full up to ``LONGEST_RETRY_AFTER_S``, and up to a tenth longer; never less than the
    pause we would make ourselves.
    """
    longest = min(FIRST_DELAY_S * 2.0 ** min(attempt - 1, 16), LONGEST_DELAY_S)
    delay = longest * (0.5 + 0.5 * rng.random())
    if retry_after is None:
        return delay
    return max(delay, min(retry_after, LONGEST_RETRY_AFTER_S) * (1 + 0.1 * rng.random()))


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Seconds from ``now`` (Unix time) that a Retry-After header asks for: a number or an HTTP date.

    None if there is no header or it cannot be read.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now
    return max(seconds, 0.0) if math.isfinite(seconds) else None
